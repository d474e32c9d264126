-- Advice that needs no opinion: what is found, told, counted and taken back.
create function t_image(p_study text, p_sop text, p_metadata jsonb, p_more jsonb default '{}') returns bigint
language plpgsql as
$$
declare
    v jsonb := t_object(p_study, p_sop, '{"modality": "DX"}' || p_more);
    v_instance bigint := (select max(id) from instance where sop_uid = p_sop);
begin
    perform metadata_done((select id from job where kind = 'metadata' and subject_id = v_instance), v_instance,
        ('{"00080060": {"vr": "CS", "Value": ["DX"]}}' || p_metadata)::json);
    perform check_done(jsonb_build_array(jsonb_build_object('job', id, 'instance', v_instance))) from job
    where kind = 'check' and subject_id = v_instance;
    return (v ->> 'exam')::bigint;
end $$;
create function t_codes(p_exam bigint) returns text language sql as
$$ select string_agg(a ->> 'code', ' ' order by a ->> 'code') from jsonb_array_elements(exam_advice_list(p_exam)) a $$;

do $$
declare
    e bigint;
    v jsonb;
    v_chest jsonb := '{"00180015": {"vr": "CS", "Value": ["CHEST"]}}';
    v_knee jsonb := '{"00180015": {"vr": "CS", "Value": ["KNEE"]}}';
    v_right jsonb := '{"00200062": {"vr": "CS", "Value": ["R"]}}';
    v_order jsonb := '{"modality": "DX", "patient_id": "P1", "patient_name": "测试一"}';
begin
    assert t_codes(t_image('1.6.1', '1.6.1.1', v_chest)) is null;
    assert t_codes(t_image('1.6.2', '1.6.2.1', '{}')) = 'body_part_missing';
    assert t_codes(t_image('1.6.3', '1.6.3.1', v_knee)) = 'laterality_missing';
    assert t_codes(t_image('1.6.4', '1.6.4.1', v_knee || v_right)) is null;
    -- the side as a modifier of the anatomic region
    assert t_codes(t_image('1.6.5', '1.6.5.1', v_knee || '{"00082218": {"vr": "SQ", "Value": [
        {"00082220": {"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": ["7771000"]}}]}}]}}')) is null;
    assert t_codes(t_image('1.6.6', '1.6.6.1', v_chest || '{"00181413": {"vr": "DS", "Value": [-3.1]}}')) = 'exposure_low';
    assert t_codes(t_image('1.6.7', '1.6.7.1', v_chest || '{"00181411": {"vr": "DS", "Value": [2100]},
        "00181412": {"vr": "DS", "Value": [1000]}}')) = 'exposure_high';
    assert t_codes(t_image('1.6.8', '1.6.8.1', v_chest || '{"00181413": {"vr": "DS", "Value": ["2.9"]},
        "00181411": {"vr": "DS", "Value": ["bad"]}}')) is null;
    -- against the order
    perform order_upsert(v_order || jsonb_build_object('centre_id', org_id('C1'), 'accession', 'V1',
        'description', '左膝关节正侧位', 'study_uid', '1.6.20'));
    e := t_image('1.6.20', '1.6.20.1', v_knee || v_right);
    assert t_codes(e) = 'order_laterality_mismatch', t_codes(e);
    e := t_image('1.6.20', '1.6.20.2', v_chest || '{"00080060": {"vr": "CS", "Value": ["CT"]}}');
    assert t_codes(e) = 'order_body_part_mismatch order_laterality_mismatch order_modality_mismatch', t_codes(e);
    perform order_upsert(v_order || jsonb_build_object('centre_id', org_id('C1'), 'accession', 'V2',
        'description', '胸部正侧位'));
    -- one image while more may come is no advice; one when it is complete is
    e := t_image('1.6.21', '1.6.21.1', v_chest || '{"00080060": {"vr": "CS", "Value": ["CR"]}}', '{"accession": "V2"}');
    assert t_codes(e) is null, t_codes(e);
    update exam set last_object_at = now() - interval '1 minute' where id = e;
    perform exam_complete_due();
    assert t_codes(e) = 'views_missing', t_codes(e);
    v := exam_advice_list(e) -> 0;
    assert v -> 'instance' = 'null' and v ->> 'detail' = '1 of 2' and v ->> 'text_zh' <> '', v::text;
    perform t_image('1.6.21', '1.6.21.2', v_chest);
    assert t_codes(e) is null;
    -- told on the exam to who may see it, and counted for the device
    e := t_image('1.6.3', '1.6.3.2', v_knee);
    v := device_doctor('CR1', '{}') -> 'advice';
    assert v @> '[{"code": "laterality_missing", "count": 2}, {"code": "views_missing", "count": 1}]', v::text;
    set local role rdc_api;
    perform t_as('tech1');
    v := exam_get(e);
    assert jsonb_array_length(v -> 'advice') = 2 and v -> 'advice' -> 0 ->> 'instance' = '1.6.3.1', v::text;
    assert jsonb_array_length(device_doctor('CR1', '{}') -> 'advice') >= 2;
    perform t_as('doc2');
    assert exam_advice_list(e) = '[]';
    reset role;
    -- the same UID again: the same object in another encoding is noted, another one stands
    e := t_image('1.6.30', '1.6.30.1', v_chest);
    perform t_object('1.6.30', '1.6.30.1', '{"modality": "DX", "sha256": "aa00000000000000000000000000000000000000000000000000000000000001"}');
    perform t_object('1.6.30', '1.6.30.1', '{"modality": "DX", "sha256": "aa00000000000000000000000000000000000000000000000000000000000002"}');
    assert jsonb_array_length((select conflicts from exam where id = e)) = 2;
    for i in 1..2 loop
        perform metadata_done(0, (select id from instance where sop_uid = '1.6.30.1' and variant = i), v_chest::json);
    end loop;
    v := job_claim('check', 100, 60);
    assert (select bool_and(j -> 'input' ? 'other') from jsonb_array_elements(v) j join instance i
        on i.id = (j ->> 'subject')::bigint and i.sop_uid = '1.6.30.1'), v::text;
    perform check_done(jsonb_agg(jsonb_build_object('job', j.id, 'instance', x.id, 'other', (select location
            from object o join instance y on y.object_id = o.id where y.sop_uid = '1.6.30.1' and y.variant = 0),
        'verdict', case when x.variant = 1 then 'same' else 'different' end)))
    from instance x join job j on j.kind = 'check' and j.subject_id = x.id
    where sop_uid = '1.6.30.1' and variant > 0;
    assert (select jsonb_array_length(conflicts) = 1 and conflicts -> 0 ->> 'sha256' like '%2' from exam where id = e);
    assert (select count(*) from exam_event where exam_id = e and event = 'same_object') = 1;
    -- one that cannot be checked does not keep the others from it
    e := t_image('1.6.34', '1.6.34.1', v_chest);
    for i in 2..3 loop
        perform t_object('1.6.34', '1.6.34.' || i, '{"modality": "DX"}');
        perform metadata_done(0, (select id from instance where sop_uid = '1.6.34.' || i), '{"00080060": {"vr": "CS", "Value": ["DX"]}}');
    end loop;
    perform job_claim('check', 100, 60);
    execute format('alter table exam_advice add constraint t_bad check (instance_id <> %s) not valid',
        (select id from instance where sop_uid = '1.6.34.2'));
    perform check_done(jsonb_agg(jsonb_build_object('job', j.id, 'instance', x.id)))
    from instance x join job j on j.kind = 'check' and j.subject_id = x.id where sop_uid in ('1.6.34.2', '1.6.34.3');
    alter table exam_advice drop constraint t_bad;
    assert (select array_agg(distinct sop_uid) = '{1.6.34.3}' from exam_advice a join instance x on x.id = a.instance_id
        where sop_uid in ('1.6.34.2', '1.6.34.3'));
    assert (select state = 'queued' and attempts = 1 and last_error like '%23514%' from job j join instance x on x.id = j.subject_id
        where j.kind = 'check' and sop_uid = '1.6.34.2');
    assert not exists (select from job j join instance x on x.id = j.subject_id
        where j.kind = 'check' and sop_uid in ('1.6.34.1', '1.6.34.3'));
    -- what is stored says what is to be done next, plain or against an order, so that nobody waits for a poll
    assert t_object('1.6.32', '1.6.32.1', '{"modality": "DX"}') ->> 'job' = 'metadata';
    assert t_object('1.6.32', '1.6.32.2', '{"modality": "DX", "metadata": {}}') ->> 'job' = 'check';
    assert t_object('1.6.33', '1.6.33.1', '{"modality": "CT", "metadata": {}}') ->> 'job' is null;
    assert t_object('1.6.33', '1.6.33.1', '{"modality": "CT", "metadata": {}, "sha256": "aa00000000000000000000000000000000000000000000000000000000000003"}')
        ->> 'job' = 'check';
    assert metadata_done(0, (select id from instance where sop_uid = '1.6.32.1'), v_chest::json);
    -- an object that cannot be read is told once, and not an ECG, which is measured
    e := t_image('1.6.35', '1.6.35.1', v_chest);
    assert (select not exam_damaged(x) from exam x where id = e);
    for i in 1 .. 2 loop
        perform object_broken((select id from instance where sop_uid = '1.6.35.1'), 'it breaks off');
    end loop;
    assert t_codes(e) = 'object_damaged' and exam_advice_list(e) -> 0 ->> 'detail' = 'it breaks off';
    assert (select exam_damaged(x) from exam x where id = e);
    -- nor one whose pixels are missing, or cannot be decoded, when somebody has looked
    e := t_image('1.6.37', '1.6.37.1', v_chest);
    assert not exists (select from job where kind = 'pixels');
    perform t_object('1.6.37', '1.6.37.2', '{"modality": "DX", "transfer_syntax": "1.2.840.10008.1.2.4.70"}');
    v := job_claim('pixels', 10, 60);
    assert (select jsonb_array_length(v) = 1 and (v #>> '{0,subject}')::bigint = i.id and v #>> '{0,input,location}' = o.location
        from instance i join object o on o.id = i.object_id where i.sop_uid = '1.6.37.2'), v::text;
    perform metadata_done(0, i.id, v_chest::json, '2 bytes of pixel data, 4 stated') from instance i where i.sop_uid = '1.6.37.1';
    perform measure_done(array[(v #>> '{0,id}')::bigint], array[i.id], array[x], array[0])
    from instance i, unnest(array['{}', '!it took too long', '{"damage":"it breaks off"}', '{"damage":"it breaks off"}']) x
    where i.sop_uid = '1.6.37.2';
    assert t_codes(e) = 'image_damaged image_damaged' and (select exam_damaged(x) from exam x where id = e), t_codes(e);
    assert not exists (select from job where kind = 'pixels') and not exists (select from ecg_measurement where exam_id = e);
    v := t_object('1.6.36', '1.6.36.1', '{"modality": "ECG", "sop_class": "1.2.840.10008.5.1.4.1.1.9.1.1"}');
    perform object_broken((select id from instance where sop_uid = '1.6.36.1'), 'it breaks off');
    assert t_codes((v ->> 'exam')::bigint) is null;
    -- of two objects under one UID only the one that is shown counts
    update exam set conflicts = jsonb_build_array(jsonb_build_object('cause', 'content', 'sop_uid', '1.6.36.1',
        'damaged', jsonb_build_array('00'))) where id = (v ->> 'exam')::bigint;
    assert (select not exam_damaged(x) from exam x where id = (v ->> 'exam')::bigint);
    update exam set conflicts = jsonb_set(conflicts, '{0,damaged,0}', to_jsonb(encode(o.sha256, 'hex')))
    from instance i join object o on o.id = i.object_id where i.sop_uid = '1.6.36.1' and exam.id = (v ->> 'exam')::bigint;
    assert (select exam_damaged(x) from exam x where id = (v ->> 'exam')::bigint);
    delete from job where kind = 'measure';
    -- a UID of another centre is kept apart and flagged
    e := t_image('1.6.31', '1.6.30.1', v_chest, jsonb_build_object('centre_id', org_id('C2')));
    assert (select conflicts -> 0 ->> 'cause' = 'centre' and centre_id = org_id('C2') from exam where id = e);
    assert body_regions('胸椎正位') && '{tspine}' and body_regions('HANDLE') = '{}';
    assert (select count(*) from body_part_word where region = 'hand') > 5;
    -- what our analysis finds in an ECG: kept, told, and urgent when it is an alarm
    v := t_object('1.6.40', '1.6.40.1', '{"modality": "ECG", "sop_class": "1.2.840.10008.5.1.4.1.1.9.1.1"}');
    e := (v ->> 'exam')::bigint;
    perform metadata_done(0, (select id from instance where sop_uid = '1.6.40.1'), '{"00080060": {"vr": "CS", "Value": ["ECG"]}}');
    v := job_claim('measure', 100, 60);
    assert (select count(*) = 1 and bool_and(j -> 'input' ->> 'limits' like '%brady_bpm=35,%')
        from jsonb_array_elements(v) j join instance i on i.id = (j ->> 'subject')::bigint where i.sop_uid = '1.6.40.1'), v::text;
    perform measure_done(array[(v -> 0 ->> 'id')::bigint, 0], array[i.id, i.id], array['{"hr_bpm": 72, "alarms": [],
        "retake": [{"code": "ecg_short", "figures": "2.6 s"}, {"code": "none_such"}]}', 'no JSON', null], array[0, 0])
    from instance i where sop_uid = '1.6.40.1';
    assert (select priority = 'routine' and t_codes(e) = 'ecg_short' from exam where id = e), t_codes(e);
    assert not exists (select from job where kind = 'measure');
    -- a measurement that fails takes nothing away from an earlier one
    perform measure_done(array[0::bigint], array[i.id], array['!the process crashed'], array[0])
    from instance i where sop_uid = '1.6.40.1';
    assert (select exam_ecg(e) -> 0 ->> 'hr_bpm' = '72' and t_codes(e) = 'ecg_short'), exam_ecg(e)::text;
    -- or why there is nothing, which is not compared with
    v := t_object('1.6.50', '1.6.50.1', '{"modality": "ECG", "sop_class": "1.2.840.10008.5.1.4.1.1.9.1.1", "patient_id": "P50"}');
    perform measure_done(array[0::bigint], array[i.id], array['!it took too long'], array[0])
    from instance i where sop_uid = '1.6.50.1';
    assert t_codes((v ->> 'exam')::bigint) = 'ecg_not_measured'
        and exam_ecg((v ->> 'exam')::bigint) @> '[{"error": "it took too long", "alarms": [],
            "retake": [{"code": "ecg_not_measured", "figures": "it took too long"}]}]', exam_ecg((v ->> 'exam')::bigint)::text;
    perform t_object('1.6.51', '1.6.51.1', '{"modality": "ECG", "sop_class": "1.2.840.10008.5.1.4.1.1.9.1.1", "patient_id": "P50"}');
    assert measure_input((select id from instance where sop_uid = '1.6.51.1')) ->> 'earlier' is null;
    delete from job where kind = 'measure';
    -- until it is measured after all
    perform measure_done(array[0::bigint], array[i.id], array['{"hr_bpm": 60, "alarms": [], "retake": []}'], array[0])
    from instance i where sop_uid = '1.6.50.1';
    assert t_codes((select exam_id from ecg_measurement m join instance i on i.id = m.instance_id where sop_uid = '1.6.50.1')) is null;
    delete from ecg_measurement where instance_id = (select id from instance where sop_uid = '1.6.50.1');
    perform measure_done(array[0::bigint], array[i.id],
        array['{"hr_bpm": 30, "alarms": [{"code": "alarm_bradycardia"}], "retake": []}'], array[0])
    from instance i where sop_uid = '1.6.40.1';
    assert (select priority = 'stat' from exam where id = e);
    assert (select exam_ecg(e) -> 0 ->> 'hr_bpm' = '30' and exam_ecg(e) -> 0 ->> 'instance' = '1.6.40.1');
    assert (select count(*) from exam_event where exam_id = e and event = 'ecg_alarm') = 1;
    -- An order does not lower what an alarm raised; a person does, and says why.
    reset role;
    v_order := '{"accession": "ALARM1", "patient_id": "P1", "patient_name": "测试一", "modality": "ECG"}'::jsonb
        || jsonb_build_object('centre_id', org_id('C1'));
    v := order_upsert(v_order || '{"priority": "urgent"}');
    update exam set order_id = (v ->> 'id')::bigint where id = e;
    perform order_upsert(v_order || '{"priority": "routine"}');
    assert (select priority = 'stat' from exam where id = e);
    perform t_as('tech1');
    perform t_fails('RD422', format('select exam_set_priority(%s, ''routine'', '' '')', e));
    perform t_fails('RD422', format('select exam_set_priority(%s, ''soon'', null)', e));
    perform exam_set_priority(e, 'urgent', 'an artefact');
    assert (select priority = 'urgent' from exam where id = e);
    assert (select person_id = rdc_person() and detail ->> 'reason' = 'an artefact' from exam_event
        where exam_id = e and event = 'priority');
    reset role;
    perform order_upsert(v_order || '{"description": "ECG"}');
    assert (select priority = 'urgent' from exam where id = e), 'an order that says nothing new of it changed it';
    perform order_upsert(v_order || '{"priority": "stat"}');
    perform order_upsert(v_order || '{"priority": "routine"}');
    assert (select priority = 'routine' from exam where id = e);
    set local role rdc_api;
    perform t_as('tech1');
    assert jsonb_array_length(exam_get(e) -> 'ecg') = 1 and exam_ecg(e) -> 0 -> 'comparison' = 'null';
    perform t_as('doc2');
    assert exam_ecg(e) = '[]';
    reset role;
    -- and what changed since the newest ECG of the same patient that was recorded before, never of another
    update study set study_date = '2026-01-05' where study_uid = '1.6.40';
    for v in select x || '{"modality": "ECG", "sop_class": "1.2.840.10008.5.1.4.1.1.9.1.1"}' from jsonb_array_elements('[
            {"study_uid": "1.6.41", "patient_id": "P2"}, {"study_uid": "1.6.42", "study_date": "2026-01-04"},
            {"study_uid": "1.6.43", "study_date": "2026-01-06"}, {"study_uid": "1.6.44", "patient_id": null},
            {"study_uid": "1.6.45", "patient_id": null}]') x loop
        perform t_object(v ->> 'study_uid', (v ->> 'study_uid') || '.1', v);
        update study set study_date = (v ->> 'study_date')::date where study_uid = v ->> 'study_uid' and v ? 'study_date';
        perform measure_done(array[0::bigint], array[i.id], array['{"alarms": [], "retake": [], "comparison": {"changes": [1]}}'],
            array[coalesce((measure_input(i.id) #>> '{earlier,instance}')::bigint, 0)])
        from instance i where sop_uid = (v ->> 'study_uid') || '.1';
    end loop;
    assert (select string_agg(s.study_uid || ':' || coalesce(x.sop_uid, '-'), ' ' order by s.study_uid)
            = '1.6.40:- 1.6.41:- 1.6.42:- 1.6.43:1.6.40.1 1.6.44:- 1.6.45:-'
        from ecg_measurement m join exam y on y.id = m.exam_id join study s on s.id = y.study_id
            left join instance x on x.id = m.earlier_id);
    select y.id into e from exam y join study s on s.id = y.study_id where s.study_uid = '1.6.43';
    assert exam_ecg(e) #>> '{0,comparison,instance}' = '1.6.40.1' and exam_ecg(e) #> '{0,comparison,changes}' = '[1]';
    update exam set state = 'withdrawn' where study_id = (select id from study where study_uid = '1.6.40');
    assert exam_ecg(e) #> '{0,comparison}' = 'null';
    assert measure_input((select id from instance where sop_uid = '1.6.43.1')) #>> '{earlier,instance}'
        = (select id::text from instance where sop_uid = '1.6.42.1');
    update exam set state = 'arriving' where study_id = (select id from study where study_uid = '1.6.40');
    assert exam_ecg(e) #> '{0,comparison,changes}' = '[1]';
    update study set patient_id = (select patient_id from study where study_uid = '1.6.41') where study_uid = '1.6.43';
    assert exam_ecg(e) #> '{0,comparison}' = 'null';
end $$;
