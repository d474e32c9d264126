-- Objects that came again under their UID: which is shown, counted and measured, and what the conflict says.
create function t_digest(n int) returns text language sql as $$ select lpad(n::text, 64, '0') $$;
-- The object with this digest, with its metadata.
create function t_again(p_study text, n int, p_more jsonb default '{}') returns bigint language plpgsql as
$$
declare
    v jsonb := t_object(p_study, p_study || '.1', '{"modality": "ECG", "sop_class": "1.2.840.10008.5.1.4.1.1.9.1.1"}'
        || jsonb_build_object('sha256', t_digest(n), 'metadata', '{}'::jsonb) || p_more);
begin
    return (v ->> 'exam')::bigint;
end $$;
create function t_shown(p_study text) returns int language sql as
$$
    select encode(o.sha256, 'hex')::int from instance i join object o on o.id = i.object_id
    where i.sop_uid = p_study || '.1' and i.variant = 0
$$;
-- The check of the object n, which was compared with p_other.
create function t_check(n int, p_other int, p_verdict text) returns void language plpgsql as
$$
begin
    perform job_claim('check', 100, 60);
    perform check_done(jsonb_agg(jsonb_build_object('job', j.id, 'instance', i.id, 'verdict', p_verdict, 'why', 'cut',
        'other', (select location from object where encode(sha256, 'hex') = t_digest(p_other)))))
    from instance i join object o on o.id = i.object_id join job j on j.kind = 'check' and j.subject_id = i.id
    where encode(o.sha256, 'hex') = t_digest(n);
end $$;
create function t_conflict(p_exam bigint, n int) returns text language sql as
$$
    select concat_ws(' ', c ->> 'cause', (c ->> 'sha256')::int, 'shown', (c ->> 'shown')::int, 'damaged',
        (select string_agg(d::int::text, ' ') from jsonb_array_elements_text(c -> 'damaged') d), c ->> 'why')
    from (select exam_conflicts(e) -> n as c from exam e where id = p_exam) x
$$;

do $$
declare
    e bigint;
    v_digest bytea;
begin
    e := t_again('1.8.1', 101);
    v_digest := (select exam_objects_digest(study_id) from exam where id = e);
    insert into exam_advice (exam_id, instance_id, code) select e, id, 'ecg_damaged' from instance where sop_uid = '1.8.1.1';
    perform measure_done(array_agg(j.id), array_agg(i.id), array['{"retake": [], "alarms": []}'], array[0])
    from instance i join job j on j.kind = 'measure' and j.subject_id = i.id where sop_uid = '1.8.1.1';
    -- a damaged one beside a whole one changes nothing, and it is said which it is
    perform t_again('1.8.1', 102);
    perform t_check(102, 101, 'damaged');
    assert t_shown('1.8.1') = 101 and t_conflict(e, 0) = 'content 102 shown 101 damaged 102 cut', t_conflict(e, 0);
    -- a whole one is shown in place of a damaged one: what was said of that no longer stands, and it is measured
    perform t_again('1.8.1', 103);
    perform t_check(103, 101, 'shown_damaged');
    assert t_shown('1.8.1') = 103 and t_conflict(e, 1) = 'content 103 shown 103 damaged 101 cut', t_conflict(e, 1);
    assert t_conflict(e, 0) = 'content 102 shown 103 damaged 102 cut';
    assert (select array_agg(variant order by variant) = '{0,1,2}' from instance where sop_uid = '1.8.1.1');
    assert (select objects = 1 and exam_objects(study_id) = 1 and exam_objects_digest(study_id) <> v_digest from exam where id = e);
    assert exam_advice_list(e) = '[]' and exam_ecg(e) = '[]';
    assert (select count(*) = 1 from job j join instance i on i.id = j.subject_id
        where j.kind = 'measure' and sop_uid = '1.8.1.1' and variant = 0);
    assert (select detail ->> 'before' = t_digest(101) from exam_event where exam_id = e and event = 'whole_object');
    -- what was compared with another one is compared again
    perform t_again('1.8.1', 104);
    perform t_check(104, 101, 'shown_damaged');
    assert t_shown('1.8.1') = 103;
    assert (select state = 'queued' and attempts = 0 from job j join instance i on i.id = j.subject_id
        join object o on o.id = i.object_id where j.kind = 'check' and encode(o.sha256, 'hex') = t_digest(104));
    perform t_check(104, 103, 'different');
    assert t_shown('1.8.1') = 103 and t_conflict(e, 2) = 'content 104 shown 103 damaged';
    -- one of another patient stays beside it
    e := t_again('1.8.2', 201);
    perform t_again('1.8.2', 202, '{"patient_id": "P2"}');
    perform t_check(202, 201, 'shown_damaged');
    assert t_shown('1.8.2') = 201 and t_conflict(e, 1) = 'content 202 shown 201 damaged 201 cut', t_conflict(e, 1);
    -- a person decides, and what comes then changes nothing by itself
    perform t_as('tech1');
    assert exam_resolve_object(e, t_digest(202), 'seen') #>> '{conflicts,1,resolved}' = t_digest(202);
    assert t_shown('1.8.2') = 202;
    perform exam_resolve_object(e, t_digest(201), 'seen again');
    assert t_shown('1.8.2') = 201;
    assert (select count(*) = 2 from exam_event where exam_id = e and event = 'resolve' and person_id is not null);
    assert (select count(*) = 2 from audit where noun = 'exam' and noun_id = e and action = 'resolve');
    perform t_again('1.8.2', 203);
    perform t_check(203, 201, 'shown_damaged');
    assert t_shown('1.8.2') = 201;
    -- what cannot be decided
    perform t_fails('RD422', format('select exam_resolve_object(%s, %L, %L)', e, t_digest(999), 'seen'));
    perform t_fails('RD422', format('select exam_resolve_object(%s, %L, %L)', e, 'no digest', 'seen'));
    perform t_fails('RD422', format('select exam_resolve_object(%s, %L, %L)', e, t_digest(202), ' '));
    e := t_again('1.8.3', 301);
    perform t_fails('RD409', format('select exam_resolve_object(%s, %L, %L)', e, t_digest(301), 'seen'));
    perform t_as('reader1');
    perform t_fails('RD403', format('select exam_resolve_object(%s, %L, %L)', e, t_digest(301), 'seen'));
    perform t_as('doc2');
    perform t_fails('RD404', format('select exam_resolve_object(%s, %L, %L)', e, t_digest(301), 'seen'));
end $$;
