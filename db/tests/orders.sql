-- Orders: their keys, states and patients; who sees them.
create function t_order(p jsonb) returns jsonb language sql as
$$
    select order_upsert('{"patient_id": "P1", "patient_name": "测试一", "patient_pinyin": "CE^SHIYI",
        "birth_date": "19800102", "sex": "F", "modality": "ct"}'::jsonb
        || jsonb_build_object('centre_id', org_id('C1')) || p)
$$;

do $$
declare
    v jsonb;
    w jsonb;
begin
    v := t_order('{"placer_number": "4711", "placer_issuer": "HIS", "description": "胸部平扫",
        "scheduled_at": "2026-01-31T08:30"}');
    assert v ->> 'outcome' = 'created' and v ->> 'accession' = 'R' || (v ->> 'id')
        and v ->> 'study_uid' like '2.25.%' and v ->> 'modality' = 'CT' and v ->> 'line' = 'radiology'
        and v ->> 'state' = 'scheduled' and v ->> 'priority' = 'routine';
    assert (v ->> 'scheduled_at')::timestamptz = '2026-01-31T08:30+08';
    -- the same number of the same issuer is the same order
    w := t_order('{"placer_number": "4711", "placer_issuer": "HIS"}');
    assert w ->> 'outcome' = 'same' and w ->> 'id' = v ->> 'id' and w ->> 'description' = '胸部平扫';
    w := t_order('{"placer_number": "4711", "placer_issuer": "HIS", "priority": "STAT"}');
    assert w ->> 'outcome' = 'changed' and w ->> 'priority' = 'stat';
    assert t_order('{"placer_number": "4711", "placer_issuer": "OTHER"}') ->> 'outcome' = 'created';
    assert t_order(jsonb_build_object('placer_number', '4711', 'placer_issuer', 'HIS', 'centre_id',
        org_id('C2'))) ->> 'outcome' = 'created';
    -- or the accession number
    -- or, when there is none of both, the filler's
    w := t_order('{"filler_number": "F1", "placer_issuer": "HIS"}');
    assert w ->> 'outcome' = 'created';
    assert t_order('{"filler_number": "F1", "placer_issuer": "HIS", "control": "cancel"}') ->> 'id' = w ->> 'id';
    assert t_order('{"accession": "A1"}') ->> 'outcome' = 'created';
    assert t_order('{"accession": "A1"}') ->> 'outcome' = 'same';
    perform t_fails('RD409', 'select t_order(''{"accession": "A1", "control": "new"}'')');
    perform t_fails('RD404', 'select t_order(''{"accession": "A2", "control": "change"}'')');
    perform t_fails('RD422', 'select t_order(''{"modality": null}'')');
    perform t_fails('RD422', 'select t_order(''{"scheduled_at": "soon"}'')');
    perform t_fails('RD422', 'select t_order(''{"birth_date": "19801302"}'')');
    perform t_fails('RD422', 'select t_order(''{"accession": "12345678901234567"}'')');
    perform t_fails('RD422', 'select t_order(''{"station": "A\\B"}'')');
    perform t_fails('RD422', 'select t_order(''{"study_uid": "1.02"}'')');
    -- cancelled is the end; twice is once
    assert t_order('{"accession": "A1", "control": "cancel"}') ->> 'state' = 'cancelled';
    assert t_order('{"accession": "A1", "control": "cancel"}') ->> 'outcome' = 'cancelled';
    perform t_fails('RD409', 'select t_order(''{"accession": "A1", "priority": "stat"}'')');
    -- every cell of the table, and no other
    perform order_progress((v ->> 'id')::bigint, 'start'), order_progress((v ->> 'id')::bigint, 'finish');
    perform order_progress((v ->> 'id')::bigint, 'start');
    assert (select state from exam_order where id = (v ->> 'id')::bigint) = 'done';
    assert (select array_agg(to_state order by id) from exam_order_event where order_id = (v ->> 'id')::bigint)
        = '{scheduled,scheduled,started,done}';
end $$;

-- Times: of the centre, unless they say otherwise.
do $$
declare
    v record;
begin
    for v in select * from (values ('20260131', '2026-01-31T00:00+08'), ('2026013108', '2026-01-31T08:00+08'),
        ('202601310830', '2026-01-31T08:30+08'), ('20260131083015', '2026-01-31T08:30:15+08'),
        ('20260131083015+0000', '2026-01-31T08:30:15+00'), ('2026-01-31T08:30:00Z', '2026-01-31T08:30+00'),
        ('2026-01-31 08:30', '2026-01-31T08:30+08'), ('2026-01-31', '2026-01-31T00:00+08'),
        ('2026-01-31T08:30:15.5+09:00', '2026-01-31T08:30:15.5+09')) x(given, meant) loop
        assert order_time(v.given, 'Asia/Shanghai') = v.meant::timestamptz, v.given;
    end loop;
end $$;

-- Patients: filled in, contradicted, corrected; resident IDs; candidates.
do $$
declare
    v jsonb;
begin
    v := t_order('{"accession": "B1", "patient_id": "P2", "birth_date": null, "sex": null}');
    v := t_order('{"accession": "B1", "patient_id": "P2"}');
    assert v #>> '{patient,birth_date}' = '1980-01-02' and v #>> '{patient,sex}' = 'F';
    -- 测试一 and CESHI YI are one name, another is not
    assert t_order('{"accession": "B1", "patient_id": "P2", "patient_name": "CESHI^YI",
        "patient_pinyin": "CESHI^YI"}') ->> 'outcome' = 'changed';
    perform t_fails('RD409', 'select t_order(''{"accession": "B1", "patient_id": "P2", "patient_name": "LI^SI",
        "patient_pinyin": "LI^SI"}'')');
    perform t_fails('RD409', 'select t_order(''{"accession": "B2", "patient_id": "P2", "sex": "M"}'')');
    v := t_order('{"accession": "B1", "patient_id": "P2", "sex": "M", "correct_patient": true}');
    assert v #>> '{patient,sex}' = 'M';
    assert (select before ->> 'sex' = 'F' and after ->> 'sex' = 'M' from patient_correction order by id desc limit 1);
    -- the example of GB 11643 itself
    assert resident_id_contradictions('11010519491231002X', '1949-12-31', 'F') = '{}';
    assert resident_id_contradictions('11010519491231002x', null, null) = '{}';
    assert resident_id_contradictions('440524188001010014', '1880-01-01', 'M') = '{}';
    assert resident_id_contradictions('110105194912310021', '1949-12-31', 'F') = '{checksum}';
    assert resident_id_contradictions('11010519491231002X', '1949-12-30', 'M') = '{birth_date,sex}';
    assert resident_id_contradictions('110105194913310021', '1949-12-30', 'M') = '{}';
    v := t_order('{"accession": "B3", "patient_id": "11010519491231002X", "birth_date": "19500101"}');
    assert v -> 'conflicts' = '[{"cause": "resident_id", "what": "birth_date"}]';
    v := t_order('{"accession": "B4", "patient_id": "P4", "patient_name": "CESHI YI", "patient_pinyin": null}');
    assert order_get((v ->> 'id')::bigint) #>> '{candidates,0,id}' = 'P1';
    assert jsonb_array_length(order_get((v ->> 'id')::bigint) -> 'candidates') = 2;
end $$;

-- The modality worklist: each kind of key.
do $$
declare
    v record;
    o jsonb;
begin
    delete from exam_order_event;
    delete from patient_correction;
    delete from exam_order;
    perform t_order('{"accession": "W1", "scheduled_at": "2030-01-31T08:30", "station": "CT1", "performer": "Wang^Wu=王^五",
        "description": "胸部平扫", "procedure_code": "CHEST"}'),
        t_order('{"accession": "W2", "scheduled_at": "2030-01-31T10:00", "priority": "stat", "patient_id": "P7",
            "patient_name": "Li^Si=李^四", "patient_pinyin": "LI^SI", "birth_date": "19900505"}'),
        t_order('{"accession": "W3", "scheduled_at": "2030-02-01T09:15:30", "modality": "US", "sex": null,
            "patient_id": "P8", "patient_name": "100%_a", "patient_pinyin": null, "birth_date": null}'),
        t_order(jsonb_build_object('accession', 'W4', 'scheduled_at', '2030-01-31T08:30', 'centre_id', org_id('C2'))),
        t_order(jsonb_build_object('accession', 'W5', 'scheduled_at', now() - interval '30 hours'));
    for v in select * from (values
        ('{}', 'W2,W1,W3'), -- the most urgent first
        ('{"modality": "CT"}', 'W2,W1'), ('{"modality": "C"}', ''), ('{"modality": "?T"}', 'W2,W1'),
        ('{"station": "CT1"}', 'W2,W1,W3'), ('{"station": "CT2"}', 'W2,W3'),
        ('{"date": "20300131"}', 'W2,W1'), ('{"date": "20300131-"}', 'W2,W1,W3'), ('{"date": "-20300131"}', 'W2,W1'),
        ('{"date": "20300131-20300201"}', 'W2,W1,W3'), ('{"date": "2030.02.01"}', 'W3'), ('{"date": "20300202-"}', ''),
        ('{"time": "0830"}', 'W1'), ('{"time": "08"}', 'W1'), ('{"time": "0900-"}', 'W2,W3'), ('{"time": "-0830"}', 'W1'),
        ('{"time": "083001-0900"}', ''), ('{"time": "0910-0831"}', 'W2,W1,W3'), ('{"time": "0931-0831"}', 'W2,W1'),
        ('{"date": "20300131", "time": "0930-0920"}', 'W2,W3'), ('{"date": "20300131", "time": "2300-0100"}', ''),
        ('{"time": "09:15:30"}', 'W3'),
        -- date and time are one interval: from 09:00 of the one to 09:15 of the other
        ('{"date": "20300131-20300201", "time": "0900-0915"}', 'W2,W3'),
        ('{"date": "20300131-20300201", "time": "0900-091529"}', 'W2'),
        ('{"date": "20300131", "time": "0800-0900"}', 'W1'),
        -- each of two attributes that have the same value
        ('{"description": "胸*", "description 2": "*平扫"}', 'W1'), ('{"description": "胸*", "description 2": "腹*"}', ''),
        ('{"accession": "W1"}', 'W1'), ('{"accession": "W?"}', 'W2,W1,W3'), ('{"accession": "w1"}', ''),
        ('{"patient_id": "P7"}', 'W2'), ('{"patient_id": "100%"}', ''),
        ('{"patient_name": "li^si"}', 'W2'), ('{"patient_name": "LI*"}', 'W2'), ('{"patient_name": "李*"}', 'W2'),
        ('{"patient_name": "li"}', 'W2'), ('{"patient_name": "^si"}', 'W2'), ('{"patient_name": "l?^s*"}', 'W2'),
        ('{"patient_name": "Li Si"}', 'W2'), ('{"patient_name": "=李^四"}', 'W2'), ('{"patient_name": "si"}', ''),
        ('{"patient_name": "ce*"}', 'W1'), ('{"patient_name": "CESHI YI"}', 'W1'), ('{"patient_name": "测试一"}', 'W1'),
        ('{"patient_name": "ceshi*"}', 'W1'), ('{"patient_name": "CESHIYI*"}', 'W1'), ('{"patient_name": "lis*"}', 'W2'),
        ('{"patient_name": "ceshiyier*"}', ''), ('{"patient_name": "ceshi?*"}', ''), ('{"patient_name": "lis^*"}', ''),
        ('{"patient_name": "*shi*"}', 'W1'), ('{"patient_name": "100%_*"}', 'W3'), ('{"patient_name": "100__*"}', ''),
        -- each group of the key has to match; letters are the same however they are parted
        ('{"patient_name": "LI^SI=李^四"}', 'W2'), ('{"patient_name": "LI^SI=李^五"}', ''),
        ('{"patient_name": "CESHI^YI=测试一"}', 'W1'), ('{"patient_name": "^^^^"}', 'W2,W1,W3'),
        ('{"modality": "MR\\US"}', 'W3'), ('{"modality": "CT\\US"}', 'W2,W1,W3'),
        ('{"performer": "wang*"}', 'W1'), ('{"performer": "王^五"}', 'W1'),
        ('{"birth_date": "19800102"}', 'W1'), ('{"birth_date": "19800101-19901231"}', 'W2,W1'),
        ('{"sex": "F"}', 'W2,W1'), ('{"priority": "STAT"}', 'W2'), ('{"status": "SCHEDULED"}', 'W2,W1,W3'),
        ('{"procedure_code": "CHEST", "procedure_scheme": "99RDC"}', 'W1'), ('{"description": "*平扫"}', 'W1'),
        ('{"study_uid": "1.2.3"}', ''), ('{"modality": "CT", "accession": "W3"}', '')) x(keys, found)
    loop
        assert v.found = (select coalesce(string_agg(r ->> 'accession', ',' order by n), '')
            from jsonb_array_elements(worklist_find(org_id('C1'), 'ANY', v.keys::jsonb, 24, 10)) with ordinality y(r, n)),
            v.keys;
    end loop;
    o := worklist_find(org_id('C1'), 'ANY', '{"accession": "W2"}', 24, 10) -> 0;
    assert o ->> 'station' = 'ANY' and o ->> 'date' = '20300131' and o ->> 'time' = '100000' and o ->> 'priority' = 'STAT'
        and o ->> 'description' = 'CT' and o ->> 'study_uid' like '2.25.%';
    assert worklist_find(org_id('C1'), 'ANY', jsonb_build_object('study_uid', '1.2\' || (o ->> 'study_uid')), 24, 10)
        #>> '{0,accession}' = 'W2';
    assert jsonb_array_length(worklist_find(org_id('C1'), 'ANY', '{}', 24, 2)) = 2;
    -- what was to be yesterday is over, unless it is kept longer
    assert jsonb_array_length(worklist_find(org_id('C1'), 'ANY', '{}', 48, 10)) = 4;
    perform t_fails('RD422', format('select worklist_find(%s, ''A'', ''{"date": "2030"}'', 24, 10)', org_id('C1')));
    perform t_fails('RD422', format('select worklist_find(%s, ''A'', ''{"time": "9h"}'', 24, 10)', org_id('C1')));
    perform t_fails('RD422', format('select worklist_find(%s, ''A'', ''{"birth_date": "-"}'', 24, 10)', org_id('C1')));
    -- what is over leaves the list
    perform order_progress((select id from exam_order where accession = 'W1'), 'start');
    assert worklist_find(org_id('C1'), 'ANY', '{"accession": "W1"}', 24, 10) #>> '{0,status}' = 'STARTED';
    perform order_progress((select id from exam_order where accession = 'W1'), 'finish'),
        order_progress((select id from exam_order where accession = 'W2'), 'discontinue');
    assert jsonb_array_length(worklist_find(org_id('C1'), 'ANY', '{}', 24, 10)) = 1;
end $$;

-- An object and its order: found by study UID or accession; a contradiction is
-- set aside until the centre decides.
do $$
declare
    o jsonb;
    v jsonb;
    e exam;
    v_id bigint;
begin
    o := t_order('{"accession": "M1", "patient_id": "PM1", "priority": "stat"}');
    v := t_object(o ->> 'study_uid', '1.9.1', '{"patient_id": "PM1", "patient_name": "CESHI YI", "birth_date": "19800102"}');
    select * into e from exam where id = (v ->> 'exam')::bigint;
    assert e.order_id = (o ->> 'id')::bigint and e.priority = 'stat' and e.quarantined_at is null and e.conflicts = '[]';
    assert (select priority from job where subject_id = (select id from instance where sop_uid = '1.9.1')) = 'stat';
    assert (select state from exam_order where id = e.order_id) = 'started';
    perform exam_complete(e, 'quiet');
    assert (select state from exam_order where id = e.order_id) = 'done';
    -- by the accession number, and without a Patient ID
    -- an order without a Patient ID has one for the worklist, which another does not contradict
    o := t_order('{"accession": "M7", "patient_id": null}');
    assert o #>> '{patient,id}' = 'RDC-M7';
    assert order_against((o ->> 'id')::bigint, 'OTHER', null, null, null) = '{}';
    assert order_against((o ->> 'id')::bigint, 'OTHER', 'LI^SI', null, null) = '{name}';
    o := t_order('{"accession": "M2", "patient_id": "PM2"}');
    v := t_object('1.9.2', '1.9.2.1', '{"patient_id": null, "patient_name": null, "accession": "M2"}');
    assert (select p.patient_id from study s join patient p on p.id = s.patient_id where s.study_uid = '1.9.2') = 'PM2';
    perform t_object('1.9.2', '1.9.2.2', '{"patient_id": "", "accession": "M2"}');
    assert (select conflicts = '[]' and order_id = (o ->> 'id')::bigint from exam where id = (v ->> 'exam')::bigint);
    -- not of another centre, nor when it was cancelled
    v := t_object('1.9.3', '1.9.3.1', jsonb_build_object('accession', 'M2', 'centre_id', org_id('C2')));
    assert (select order_id is null from exam where id = (v ->> 'exam')::bigint);
    perform t_order('{"accession": "M4"}'), t_order('{"accession": "M4", "control": "cancel"}');
    v := t_object('1.9.4', '1.9.4.1', '{"accession": "M4"}');
    assert (select order_id is null from exam where id = (v ->> 'exam')::bigint);
    -- another ID, another name, another sex
    for i in 1..4 loop
        o := t_order(jsonb_build_object('accession', 'N' || i, 'patient_id', 'PN' || i));
        v := t_object('1.9.5.' || i, '1.9.5.1' || i, jsonb_build_object('accession', 'N' || i, 'patient_id', 'PN' || i)
            || (array['{"patient_id": "PX"}', '{"patient_name": "李四"}', '{"patient_name": "LI^SI"}', '{"sex": "M"}']::jsonb[])[i]);
        select * into e from exam where id = (v ->> 'exam')::bigint;
        assert e.quarantined_at is not null and e.conflicts #>> '{0,cause}' = 'patient_order', i::text;
        assert e.conflicts #> '{0,what}' = (array['["patient_id"]', '["name"]', '["name"]', '["sex"]']::jsonb[])[i], e.conflicts::text;
        -- told once
        perform t_object('1.9.5.' || i, '1.9.5.2' || i, jsonb_build_object('accession', 'N' || i, 'patient_id', 'PN' || i)
            || (array['{"patient_id": "PX"}', '{"patient_name": "李四"}', '{"patient_name": "LI^SI"}', '{"sex": "M"}']::jsonb[])[i]);
        assert (select jsonb_array_length(conflicts) from exam where id = e.id) = 1;
        update exam set state = 'waiting', hospital_id = org_id('H1'), grade = 'quiet' where id = e.id;
    end loop;
    v_id := (select id from exam where study_id = (select id from study where study_uid = '1.9.5.1'));
    perform t_as('reader1');
    assert not exam_worklist(1000)::text like '%1.9.5.%';
    perform t_fails('RD409', format('select exam_claim(%s, 60)', v_id));
    perform t_fails('RD403', format('select exam_resolve(%s, ''order'', ''x'')', v_id));
    perform t_as('doc2'), t_fails('RD404', format('select exam_resolve(%s, ''order'', ''x'')', v_id));
    perform t_as('tech1');
    perform t_fails('RD422', format('select exam_resolve(%s, ''both'', ''x'')', v_id));
    perform t_fails('RD422', format('select exam_resolve(%s, ''order'', '' '')', v_id));
    v := exam_resolve(v_id, 'order', 'typed by hand')::jsonb;
    assert v #>> '{patient,id}' = 'PN1' and v #>> '{conflicts,0,resolved}' = 'order';
    assert (select before ->> 'id' = 'PX' and after ->> 'id' = 'PN1' and reason = 'typed by hand'
        from patient_correction where exam_id = v_id);
    perform t_fails('RD409', format('select exam_resolve(%s, ''order'', ''x'')', v_id));
    -- decided is decided: more of the same is no conflict
    perform t_object('1.9.5.1', '1.9.5.31', '{"accession": "N1", "patient_id": "PX"}');
    assert (select quarantined_at is null and jsonb_array_length(conflicts) = 1 from exam where id = v_id);
    -- what has come stands against the patient whose the order is now
    o := t_order('{"accession": "M8", "patient_id": "PM8"}');
    v := t_object('1.9.8', '1.9.8.1', '{"accession": "M8", "patient_id": "PM8"}');
    perform t_order('{"accession": "M8", "patient_id": "PM9"}');
    assert (select quarantined_at is not null and conflicts #>> '{0,cause}' = 'patient_order' and conflicts #>> '{0,object,id}' = 'PM8'
        and conflicts #> '{0,what}' = '["patient_id"]' from exam where id = (v ->> 'exam')::bigint);
    perform t_as('tech1');
    v := exam_resolve((v ->> 'exam')::bigint, 'order', 'registered twice')::jsonb;
    assert v #>> '{patient,id}' = 'PM9';
    -- the objects are right: they do not answer the order, and its patient keeps the ID
    v_id := (select id from exam where study_id = (select id from study where study_uid = '1.9.5.2'));
    v := exam_resolve(v_id, 'object', 'wrong patient picked')::jsonb;
    assert v #>> '{patient,name}' = '李四' and v #> '{patient,id}' = 'null';
    assert (select order_id is null and quarantined_at is null from exam where id = v_id);
    assert (select name from patient where patient_id = 'PN2') = '测试一';
    perform t_as('reader1');
    assert exam_worklist(1000)::text like '%1.9.5.1"%';
    perform set_config('rdc.org', '', true), set_config('rdc.person', '', true), set_config('rdc.role', '', true);
end $$;

-- Who sees them: the centre, and the hospital that reads the line.
select set_config('t.order', (t_order('{"accession": "S1"}') ->> 'id'), true);
set role rdc_api;
select t_fails('42501', 'select order_upsert(''{}'')');
select t_fails('42501', 'update exam_order set state = ''done''');
create function pg_temp.t_visible() returns bigint language sql as
$$ select count(*) from exam_order where id = current_setting('t.order')::bigint $$;
do $$
begin
    assert pg_temp.t_visible() = 0;
    perform t_as('tech1');
    assert pg_temp.t_visible() = 1;
    assert order_put('{"accession": "S2", "patient_name": "X", "modality": "CT", "centre_id": 999}') ->> 'centre' = 'C1';
    assert jsonb_array_length(order_list('scheduled', 'S2', null, 10) -> 'orders') = 1;
    assert order_get(current_setting('t.order')::bigint) ->> 'accession' = 'S1';
    perform t_as('doc2');
    assert pg_temp.t_visible() = 0;
    perform t_fails('RD404', format('select order_get(%s)', current_setting('t.order')));
    perform t_fails('RD404', format('select order_put(''{"id": %s, "control": "cancel"}'')', current_setting('t.order')));
    perform t_as('reader1');
    assert pg_temp.t_visible() = 1;
    assert (select count(*) from patient p join exam_order o on o.patient_id = p.id
            where o.id = current_setting('t.order')::bigint) = 1;
    perform t_fails('RD403', 'select order_put(''{"patient_name": "X", "modality": "CT"}'')');
    perform t_as('reader3');
    assert pg_temp.t_visible() = 0;
end $$;
