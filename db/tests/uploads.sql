-- Uploads in pieces: whose they are, how many, and when they go.
set role rdc_api;
do $$
declare
    v jsonb;
begin
    perform t_as('tech1');
    v := upload_begin(repeat('a', 32), 100, '{"patient_id": "P1"}', 2, 1000);
    assert v ->> 'id' = repeat('a', 32);
    v := upload_find(repeat('a', 32));
    assert (v ->> 'length')::int = 100 and v -> 'params' ->> 'patient_id' = 'P1' and v ->> 'code' = 'C1'
        and v ->> 'answer' is null;
    perform t_fails('RD429', $s$select upload_begin(repeat('b', 32), 901, '{}', 2, 1000)$s$);
    perform upload_begin(repeat('b', 32), 900, '{}', 2, 1000);
    perform t_fails('RD429', $s$select upload_begin(repeat('c', 32), 1, '{}', 2, 10000)$s$);
    -- nobody else's
    perform t_as('doc1');
    perform t_fails('RD404', $s$select upload_find(repeat('a', 32))$s$);
    perform t_as('doc2');
    perform t_fails('RD404', $s$select upload_find(repeat('a', 32))$s$);
    assert not exists (select from upload);
    perform t_as('reader1');
    perform t_fails('RD403', $s$select upload_begin(repeat('c', 32), 1, '{}', 2, 1000)$s$);
end $$;
reset role;
do $$
begin
    perform upload_done(repeat('a', 32), '{"exam": 1}');
    perform t_as('tech1');
    assert upload_find(repeat('a', 32)) -> 'answer' ->> 'exam' = '1';
    perform upload_begin(repeat('c', 32), 1, '{}', 2, 1000);
    assert upload_expire(60) = '[]';
    update upload set touched_at = now() - interval '2 minutes' where id = repeat('b', 32);
    assert upload_expire(60) = jsonb_build_array(repeat('b', 32));
    perform upload_drop(repeat('c', 32));
    assert (select count(*) from upload) = 1;
end $$;
