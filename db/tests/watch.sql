-- A watched folder has one worker, until its lease runs out.
do $$
declare
    v jsonb;
begin
    update device set watch_dir = '/srv/cr1' where aet = 'CR1';
    v := watch_claim('a', 30);
    assert jsonb_array_length(v) = 1 and v -> 0 ->> 'dir' = '/srv/cr1' and v -> 0 ->> 'code' = 'C1'
        and v -> 0 ->> 'aet' = 'CR1';
    assert watch_claim('b', 30) = '[]';
    assert jsonb_array_length(watch_claim('a', 30)) = 1;
    update device set watch_until = now() - interval '1 second' where aet = 'CR1';
    assert jsonb_array_length(watch_claim('b', 30)) = 1;
    assert watch_claim('a', 30) = '[]';
    update device set disabled_at = now() where aet = 'CR1';
    assert watch_claim('b', 30) = '[]';
    perform t_fails('23514', $s$update device set watch_dir = 'relative' where aet = 'CR1'$s$);
end $$;
