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
    assert t_order('{"accession": "A1"}') ->> 'outcome' = 'created';
    assert t_order('{"accession": "A1"}') ->> 'outcome' = 'same';
    perform t_fails('RD409', 'select t_order(''{"accession": "A1", "control": "new"}'')');
    perform t_fails('RD404', 'select t_order(''{"accession": "A2", "control": "change"}'')');
    perform t_fails('RD422', 'select t_order(''{"modality": null}'')');
    perform t_fails('RD422', 'select t_order(''{"scheduled_at": "soon"}'')');
    perform t_fails('RD422', 'select t_order(''{"birth_date": "19801302"}'')');
    perform t_fails('23514', 'select t_order(''{"accession": "12345678901234567"}'')');
    perform t_fails('23514', 'select t_order(''{"station": "A\\B"}'')');
    perform t_fails('23514', 'select t_order(''{"study_uid": "1.02"}'')');
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
