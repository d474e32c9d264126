-- Two sessions at once, each as one call: t_first() changes something and commits when it
-- sees that t_second() waits for it, which therefore looked before and writes after.
select t_object('1.5.1', '1.5.1.1.1');

create function t_until(p_query text) returns void language plpgsql as
$$
declare
    v boolean;
begin
    for i in 1..1500 loop
        execute 'select exists (' || p_query || ')' into v;
        exit when v;
        perform pg_sleep(0.02);
    end loop;
    assert v, 'waited half a minute for: ' || p_query;
end $$;

create function t_first(p_what text) returns void language plpgsql as
$$
declare
    e exam;
begin
    if p_what = 'completed' then
        -- completed, read and signed, before an object that is on its way
        select x.* into e from exam x join study s on s.id = x.study_id where study_uid = '1.5.1';
        e := exam_complete(e, 'quiet');
        e := exam_move(e, 'claim', null, (select id from person where login = 'reader1'), 60);
        perform exam_move(e, 'sign');
    else
        perform t_object('1.5.2', '1.5.2.1.1');
    end if;
    perform pg_advisory_xact_lock(1);
    perform t_until('select from pg_locks where not granted');
end $$;

create function t_second(p_what text) returns void language plpgsql as
$$
declare
    v jsonb;
begin
    perform t_until('select from pg_locks where locktype = ''advisory'' and granted');
    if p_what = 'completed' then
        v := t_object('1.5.1', '1.5.1.1.2', '{"single": true}');
    else
        v := t_object('1.5.2', '1.5.2.1.2');
    end if;
    assert v ->> 'outcome' = 'stored', v;
end $$;

create function t_events(p_study text) returns text[] language sql as
$$
    select array_agg(event order by v.id) from exam_event v join exam e on e.id = v.exam_id
        join study s on s.id = e.study_id where study_uid = p_study
$$;

-- The object that came after the report has opened the exam again.
create function t_ended(p_what text) returns void language plpgsql as
$$
declare
    v_study text := case p_what when 'completed' then '1.5.1' else '1.5.2' end;
    v_events text[] := case p_what when 'completed' then '{arrive,complete,claim,sign,late}'::text[] else '{arrive}' end;
begin
    assert t_events(v_study) = v_events, array_to_string(t_events(v_study), ' ');
    assert (select array_agg(state || ' ' || e.objects || ' ' || exam_objects(s.id))
        from exam e join study s on s.id = e.study_id where study_uid = v_study)
        = array[case p_what when 'completed' then 'waiting' else 'arriving' end || ' 2 2'];
end $$;
