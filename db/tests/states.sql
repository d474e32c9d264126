-- Every cell of the exam's table of states, against a second writing of it.
do $$
declare
    s text;
    v text;
    expected text;
    -- rows: state; columns in the order of events; '-' = refused
    events text[] := array['complete','unrouted','contract','claim','release','expire','sign','submit',
        'recall','return','reject','forward','withdraw','restore','resent','cannot','amend','late','retract'];
    states text[] := array['arriving','unrouted','waiting','writing','written','reviewing','returned',
        'final','withdrawn','retracted'];
    grid text[] := array[
        'waiting unrouted - writing - - - - - - - - withdrawn - - - - - -',
        '- - waiting - - - - - - - - - withdrawn - - - - - -',
        '- - - writing - - - - - returned - waiting withdrawn - - - - - -',
        '- - - - waiting waiting final written - returned - waiting withdrawn - - - - - -',
        '- - - reviewing - - - - writing returned - - withdrawn - - - - - -',
        '- - - - written written final - - returned waiting - withdrawn - - - - - -',
        '- - - - - - - - - - - - withdrawn - waiting waiting - - -',
        '- - - - - - - - - - - - - - - - waiting waiting retracted',
        '- - - - - - - - - - - - - waiting - - - - -',
        '- - - - - - - - - - - - - - - - - - -'];
begin
    for i in 1..array_length(states, 1) loop
        for k in 1..array_length(events, 1) loop
            expected := split_part(grid[i], ' ', k);
            select next_state into v from exam_transition where state = states[i] and event = events[k];
            if coalesce(v, '-') <> expected then
                raise exception '% + % is %, not %', states[i], events[k], coalesce(v, '-'), expected;
            end if;
        end loop;
    end loop;
    assert (select count(*) from exam_transition) = 34;
end $$;

-- The way of an exam: one reader holds it, a lost lease writes nothing.
do $$
declare
    e bigint := (t_object('1.2.1', '1.2.1.1.1') ->> 'exam')::bigint;
    l1 bigint;
    l2 bigint;
    v json;
begin
    assert t_state(e) = 'arriving';
    update exam set last_object_at = now() - interval '1 minute' where id = e;
    assert exam_complete_due() = 1;
    assert t_state(e) = 'waiting';
    perform t_as('reader1');
    l1 := (exam_claim(e, 300) ->> 'lease')::bigint;
    assert t_state(e) = 'writing';
    perform t_as('reader2');
    perform t_fails('RD409', format('select exam_claim(%s, 300)', e));
    perform t_fails('RD409', format('select exam_draft(%s, %s, ''{}'', 300)', e, l1));
    -- The lease runs out; the next reader takes over; the first writes nothing more.
    update exam set lease_expires = now() - interval '1 second' where id = e;
    perform exam_expire_due();
    assert t_state(e) = 'waiting';
    l2 := (exam_claim(e, 300) ->> 'lease')::bigint;
    assert l2 > l1;
    perform t_as('reader1');
    perform t_fails('RD409', format('select exam_draft(%s, %s, ''{}'', 300)', e, l1));
    perform t_fails('RD409', format('select exam_sign(%s, %s, null)', e, l1));
    perform t_as('reader2');
    perform t_fails('RD422', format('select exam_sign(%s, %s, null)', e, l2));
    perform t_fails('RD422', format('select exam_draft(%s, %s, ''{"other": "x"}'', 300)', e, l2));
    perform exam_draft(e, l2, '{"findings": "所见", "impression": "意见"}', 300);
    -- An object that arrives in between asks for a new look.
    perform t_object('1.2.1', '1.2.1.1.2');
    perform t_fails('RD409', format('select exam_sign(%s, %s, null)', e, l2));
    perform t_fails('RD409', format('select exam_sign(%s, %s, ''00'')', e, l2));
    perform t_fails('RD422', format('select exam_sign(%s, %s, ''xx'')', e, l2));
    v := exam_sign(e, l2, encode(exam_objects_digest((select study_id from exam where id = e)), 'hex'));
    assert t_state(e) = 'final' and (v ->> 'version')::int = 1;
    assert (select count(*) from delivery where state = 'due') = 1;
    assert (select count(*) from job where kind = 'render') = 1;
    -- A late object opens a new task; the signed version stays.
    perform t_object('1.2.1', '1.2.1.1.3');
    assert t_state(e) = 'waiting';
    l1 := (exam_claim(e, 300) ->> 'lease')::bigint;
    perform exam_draft(e, l1, '{"findings": "所见2", "impression": "意见2"}', 300);
    assert (exam_sign(e, l1, null) ->> 'version')::int = 2;
    assert (select string_agg(state, ' ' order by id) from delivery) = 'superseded due';
    assert (select string_agg(state, ' ' order by version) from report) = 'final amended';
    -- Every transition is an event.
    assert (select string_agg(event, ' ' order by id) from exam_event where exam_id = e) =
        'arrive complete claim expire claim sign late claim sign';
end $$;

-- A STAT exam is read while it arrives, by the hospital that its contract names.
do $$
declare
    e bigint := (t_object('1.2.5', '1.2.5.1.1', '{"quiet": 600, "priority": "stat"}') ->> 'exam')::bigint;
    other bigint := (t_object('1.2.6', '1.2.6.1.1', '{"quiet": 600}') ->> 'exam')::bigint;
    l bigint;
begin
    perform t_as('reader1');
    assert (select array_agg((x ->> 'id')::bigint) from json_array_elements(exam_worklist(100) -> 'exams') x
        where x ->> 'state' = 'arriving') = array[e];
    perform t_fails('RD409', format('select exam_claim(%s, 300)', other));
    perform t_as('reader3');
    perform t_fails('RD404', format('select exam_claim(%s, 300)', e));
    perform t_as('reader1');
    l := (exam_claim(e, 300) ->> 'lease')::bigint;
    perform t_object('1.2.5', '1.2.5.1.2');
    assert t_state(e) = 'writing';
    perform exam_draft(e, l, '{"findings": "所见", "impression": "意见"}', 300);
    perform t_fails('RD409', format('select exam_sign(%s, %s, null)', e, l));
    perform exam_sign(e, l, encode(exam_objects_digest((select study_id from exam where id = e)), 'hex'));
    assert t_state(e) = 'final';
end $$;

-- What waits for a contract is not looked at over and over for one that cannot be served.
do $$
declare
    e bigint := (t_object('1.2.7', '1.2.7.1.1', jsonb_build_object('centre_id', org_id('C2'), 'single', true))
        ->> 'exam')::bigint;
begin
    assert t_state(e) = 'unrouted';
    insert into contract (centre_id, hospital_id, line_id) values (org_id('C2'), org_id('H2'), line_id('radiology'));
    update organisation set disabled_at = now() where code = 'H2';
    assert exam_expire_due() = 0;
    update organisation set disabled_at = null where code = 'H2';
    assert exam_expire_due() = 1 and t_state(e) = 'waiting';
end $$;

-- The right password among many guesses at once opens nothing once ten of them are counted.
do $$
declare
    p bigint := (select id from person where login = 'tech1');
begin
    perform session_failed(p) from generate_series(1, 9);
    perform session_open(p, sha256('\x01'), 10);
    perform session_failed(p) from generate_series(1, 10);
    perform t_fails('RD429', format('select session_open(%s, sha256(''\x02''), 10)', p));
end $$;

-- Two steps: the reviewer is not the author.
do $$
declare
    e bigint;
    l bigint;
begin
    update contract set two_step = true;
    e := (t_object('1.2.2', '1.2.2.1.1', '{"single": true}') ->> 'exam')::bigint;
    assert t_state(e) = 'waiting';
    perform t_as('reader1');
    l := (exam_claim(e, 300) ->> 'lease')::bigint;
    perform exam_draft(e, l, '{"findings": "a", "impression": "b"}', 300);
    perform t_fails('RD409', format('select exam_sign(%s, %s, null)', e, l));
    perform exam_submit(e, l, null);
    assert t_state(e) = 'written';
    perform t_fails('RD409', format('select exam_claim(%s, 300)', e));
    perform t_as('reader2');
    perform t_fails('RD403', format('select exam_recall(%s, 300)', e));
    l := (exam_claim(e, 300) ->> 'lease')::bigint;
    assert t_state(e) = 'reviewing';
    perform t_fails('RD422', format('select exam_reader_act(%s, ''reject'', %s, null, null)', e, l));
    perform exam_reader_act(e, 'reject', l, '再看左肺', null);
    assert t_state(e) = 'waiting' and (select count(*) from draft where exam_id = e) = 1;
    perform t_as('reader1');
    l := (exam_claim(e, 300) ->> 'lease')::bigint;
    perform exam_submit(e, l, null);
    perform t_as('reader2');
    l := (exam_claim(e, 300) ->> 'lease')::bigint;
    perform exam_sign(e, l, null);
    assert (select author_id <> signer_id from report where exam_id = e);
end $$;
