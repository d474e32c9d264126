-- Devices: the most specific registration is the one.
do $$
begin
    assert (device_find('CT1', '10.9.0.1', 'RDC') ->> 'centre_id')::bigint = org_id('C1');
    assert (device_find('CT1', '10.2.3.4', 'RDC') ->> 'centre_id')::bigint = org_id('C2');
    assert device_find('NOBODY', '10.2.3.4', 'RDC') ->> 'cause' = 'unknown_aet';
    assert device_find('CR1', '10.9.0.1', 'RDC') ->> 'cause' = 'wrong_address';
    assert device_find('CR1', '10.1.0.7', 'OTHER') ->> 'cause' = 'wrong_called';
    -- a certificate: shown, not shown, another; and no less specific device stands in
    update device set certificate = repeat('ab', 32) where aet = 'CR1';
    assert device_find('CR1', '10.1.0.7', 'RDC') ->> 'cause' = 'certificate_missing';
    assert device_find('CR1', '10.1.0.7', 'RDC', repeat('cd', 32)) ->> 'cause' = 'certificate_unknown';
    assert device_find('CR1', '10.1.0.7', 'RDC', repeat('ab', 32)) ->> 'cause' is null;
    insert into device (aet, org_id) values ('CR1', org_id('C2'));
    assert device_find('CR1', '10.1.0.7', 'RDC') ->> 'cause' = 'certificate_missing';
    update device set aet = 'CR9' where aet = 'CR1' and address is null;
    assert (device_find('CT1', '10.9.0.1', 'RDC', repeat('ab', 32)) ->> 'centre_id')::bigint = org_id('C1');
    update device set disabled_at = now() where aet = 'CR1';
    assert device_find('CR1', '10.1.0.7', 'RDC') ->> 'cause' = 'disabled';
end $$;

-- Objects: the same again, another under the same UID, a bad one in a batch.
do $$
declare
    v jsonb;
    e bigint;
begin
    v := t_object('1.4.1', '1.4.1.1.1', '{"location": "a/1/1.dcm"}');
    e := (v ->> 'exam')::bigint;
    assert v ->> 'outcome' = 'stored' and v ->> 'study_uid' = '1.4.1';
    assert t_object('1.4.1', '1.4.1.1.1') ->> 'outcome' = 'duplicate';
    -- unless what is here was found damaged: then the new file takes its place
    update object set damaged_at = now() where id = (select object_id from instance where sop_uid = '1.4.1.1.1');
    assert t_object('1.4.1', '1.4.1.1.1', '{"location": "healed"}') @> '{"outcome": "stored"}';
    assert (select o.location = 'healed' and o.damaged_at is null from object o
        join instance i on i.object_id = o.id where i.sop_uid = '1.4.1.1.1');
    assert (t_object('1.4.1', '1.4.1.1.1') ->> 'outcome') = 'duplicate';
    -- the same file again: its first commit was unknown
    assert t_object('1.4.1', '1.4.1.1.1', '{"location": "healed"}') ->> 'outcome' = 'stored';
    -- a large one is not read back: what came takes its place, from the same device only
    v := t_object('1.4.1', '1.4.1.1.1', '{"size": 70000000, "location": "again"}');
    assert v @> '{"outcome": "duplicate", "replaced": ["healed", null]}' and not v ? 'have', v::text;
    v := t_object('1.4.1', '1.4.1.1.1', '{"size": 70000000, "location": "other", "device_id": null}');
    assert v @> '{"outcome": "duplicate", "have": [{"location": "again"}]}' and not v ? 'replaced', v::text;
    assert exam_objects((select study_id from exam where id = e)) = 1;
    v := t_object('1.4.1', '1.4.1.1.1', jsonb_build_object('sha256', repeat('ab', 32)));
    assert v ->> 'outcome' = 'conflict';
    assert (select count(*) from instance where sop_uid = '1.4.1.1.1') = 2;
    assert (select jsonb_array_length(conflicts) from exam where id = e) = 1;
    -- another patient in the same study is told
    perform t_object('1.4.1', '1.4.1.1.2', '{"patient_id": "P2"}');
    assert (select conflicts -> 1 ->> 'cause' from exam where id = e) = 'patient';
    -- the same UIDs from another centre are another study
    v := t_object('1.4.1', '1.4.1.1.1', jsonb_build_object('centre_id', org_id('C2')));
    assert v ->> 'outcome' = 'stored' and (v ->> 'exam')::bigint <> e;
    -- a bad object fails alone
    v := ingest_store((select jsonb_agg(jsonb_build_object('centre_id', org_id('C1'), 'study_uid', u,
        'series_uid', '1.4.9.1', 'sop_uid', '1.4.9.1.' || n, 'sop_class', '1.2', 'transfer_syntax', '1.2',
        'location', 'b/' || n, 'sha256', repeat('cd', 32), 'size', 1) order by n)
        from (values (1, '1.4.9'), (2, 'not a uid'), (3, '1.4.9')) x(n, u)));
    assert v -> 0 ->> 'outcome' = 'stored' and v -> 1 ->> 'outcome' = 'error'
        and v -> 2 ->> 'outcome' = 'stored';
    assert object_known(array['b/1', 'b/2', 'b/3']) @> array['b/1', 'b/3'];
    assert not object_known(array['b/2']) @> array['b/2'];
    -- numbers of exams follow each other
    v := t_object('1.4.11', '1.4.11.1.1');
    perform t_object('1.4.11', '1.4.11.1.2');
    assert (t_object('1.4.12', '1.4.12.1.1') ->> 'exam')::bigint = (v ->> 'exam')::bigint + 1;
    -- a study of which the batch has something that is here already is decided one by one, another is not
    perform t_object('1.4.8', '1.4.8.1.1');
    v := ingest_store((select jsonb_agg(place || jsonb_build_object('centre_id', org_id('C1'), 'study_uid', u,
        'series_uid', u || '.1', 'sop_uid', s, 'sop_class', '1.2', 'transfer_syntax', '1.2', 'patient_id', 'P1',
        'modality', 'CT', 'location', 'g/' || n, 'size', 1, 'sha256', encode(sha256(convert_to(s, 'UTF8')), 'hex')) order by n)
        from t_place join (values (1, '1.4.10', '1.4.10.1.1'), (2, '1.4.8', '1.4.8.1.1'), (3, '1.4.8', '1.4.8.1.2'))
            x(n, u, s) using (n) where batch = 'two studies'), array['{"a": 3}', null, '{"a": 2}']::json[]);
    assert v -> 0 ->> 'outcome' = 'stored' and v -> 1 ->> 'outcome' = 'duplicate' and v -> 2 ->> 'outcome' = 'stored', v;
    assert (v -> 1 ->> 'exam') = (v -> 2 ->> 'exam') and (select objects from exam where id = (v -> 2 ->> 'exam')::bigint) = 2;
    assert (select string_agg(metadata ->> 'a', '' order by sop_uid) from instance
            where sop_uid in ('1.4.8.1.1', '1.4.8.1.2', '1.4.10.1.1')) = '32';
    -- without a line's contract the exam is unrouted, until there is one
    v := t_object('1.4.5', '1.4.5.1.1', '{"modality": "XC", "single": true}');
    assert t_state((v ->> 'exam')::bigint) = 'unrouted';
    insert into contract (centre_id, hospital_id, line_id)
    values (org_id('C1'), org_id('H2'), line_id('wound'));
    perform exam_expire_due();
    assert t_state((v ->> 'exam')::bigint) = 'waiting';
    assert dicom_date('20260131') = '2026-01-31' and dicom_date('20261331') is null
        and dicom_date('') is null and dicom_time('0102') = '01:02' and dicom_time('25') is null;
end $$;

-- A plan made while a table was known to be small is kept when it has grown: objects of new and of old
-- studies are looked up by index all the same, a few rows for each.
do $$
declare
    v_read bigint;
begin
    delete from job;
    analyze;
    discard plans;
    for n in 1..150 loop
        perform t_object('1.4.20.' || n, format('1.4.20.%s.1.%s', n, k), jsonb_build_object('patient_id', 'P' || n))
        from generate_series(1, 2) k;
    end loop;
    select max(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)) into v_read from pg_stat_xact_user_tables
    where relname in ('patient', 'study', 'series', 'instance', 'exam', 'exam_order', 'evidence');
    assert v_read < 300 * 10, format('300 objects took %s rows of one table', v_read);
end $$;

-- Jobs: three failures, then set aside.
do $$
declare
    v jsonb;
begin
    delete from job;
    perform t_object('1.4.7', '1.4.7.1.1');
    for i in 1..3 loop
        v := job_claim('metadata', 10, 60);
        assert jsonb_array_length(v) = 1 and (v -> 0 ->> 'attempt')::int = i;
        assert jsonb_array_length(job_claim('metadata', 10, 60)) = 0;
        perform job_failed((v -> 0 ->> 'id')::bigint, 'it is bad', 0);
    end loop;
    assert jsonb_array_length(job_claim('metadata', 10, 60)) = 0;
    assert (select state from job) = 'quarantined';
end $$;

-- Which worker asks, and that its slot's last one has ended.
create function t_worker(p_name text, p_limit int default 10) returns bigint[] language plpgsql as
$$
begin
    perform set_config('rdc.worker', p_name, true);
    return (select array_agg((j ->> 'subject')::bigint order by 1)
        from jsonb_array_elements(job_claim('metadata', p_limit, 60, true)) j);
end $$;
create function t_jobs() returns text language sql as
$$
    select string_agg(subject_id || ' ' || state || ' ' || attempts || ' ' || broken_off, ', ' order by subject_id) from job
$$;

-- A lease is renewed by who has the job, and by nobody after.
do $$
declare
    v_job bigint;
begin
    delete from job;
    perform t_object('1.4.7', '1.4.7.1.2');
    perform t_worker('run/0/1');
    select id into strict v_job from job;
    update job set lease_until = now();
    perform set_config('rdc.worker', 'run/1/2', true);
    perform job_renew(array[v_job], 60);
    assert (select lease_until = now() from job);
    perform set_config('rdc.worker', 'run/0/1', true);
    perform job_renew(array[v_job], 60);
    assert (select lease_until = now() + interval '60 seconds' from job);
    perform job_put_back(v_job, 'over', 0);
    perform job_renew(array[v_job], 60);
    assert (select state = 'queued' and lease_until is null from job);
    delete from job;
end $$;

-- A power cut ends the whole run; what it broke off comes again when its lease is over, and is no
-- attempt. But nothing is tried for ever.
do $$
begin
    delete from job;
    insert into job (kind, subject_id) values ('metadata', 1);
    for i in 1..5 loop
        assert t_worker('run' || i || '/0/1') = '{1}' and t_jobs() = '1 running 0 ' || i - 1, t_jobs();
        assert t_worker('run' || i || '/1/1') is null, 'of another slot';
        update job set lease_until = now() - interval '1 second';
    end loop;
    assert t_worker('run6/0/1') is null and t_jobs() = '1 quarantined 0 4';
end $$;

-- Of several that were under way when their worker ended, the one that ends it again is set aside,
-- and no other.
do $$
begin
    delete from job;
    insert into job (kind, subject_id) select 'metadata', generate_series(1, 3);
    assert t_worker('run/0/1') = '{1,2,3}';
    assert t_worker('run/1/1') is null, 'of another slot';
    -- the second of them ends it
    assert t_worker('run/0/2') = '{1}', t_jobs();
    assert t_jobs() = '1 running 0 1, 2 queued 0 1, 3 queued 0 1';
    assert t_worker('run/0/2') is null, 'one at a time';
    assert t_worker('run/1/1', 1) = '{2}', 'by another worker';
    delete from job where subject_id = 1;
    insert into job (kind, subject_id) values ('metadata', 4);
    -- ended again, with a new one beside it
    assert t_worker('run/1/1') = '{4}';
    assert t_worker('run/1/2') = '{2}' and t_jobs() = '2 running 0 2, 3 queued 0 1, 4 queued 0 1';
    for i in 3..4 loop
        assert t_worker('run/1/' || i) = '{2}' and t_jobs() = '2 running 0 ' || i || ', 3 queued 0 1, 4 queued 0 1';
    end loop;
    assert t_worker('run/1/5') = '{3}' and t_jobs() = '2 quarantined 0 5, 3 running 0 1, 4 queued 0 1';
end $$;

do $$
begin
    assert not exists (select from integrity_findings() where kind = 'exam_miscounted');
end $$;

-- The most urgent of what came, whichever came first; a person's word stands.
do $$
declare
    e bigint := (t_object('1.5.7', '1.5.7.1.1', '{"priority": "urgent"}') ->> 'exam')::bigint;
begin
    perform t_object('1.5.7', '1.5.7.1.2');
    assert (select priority from exam where id = e) = 'urgent';
    perform t_object('1.5.7', '1.5.7.1.3', '{"priority": "stat"}');
    assert (select priority from exam where id = e) = 'stat';
    perform t_object('1.5.7', '1.5.7.1.4', '{"priority": "urgent"}');
    assert (select priority from exam where id = e) = 'stat';
    -- an object without a Patient ID goes alone
    update exam set priority = 'urgent' where id = e;
    perform t_object('1.5.7', '1.5.7.1.5', '{"priority": "stat", "patient_id": ""}');
    assert (select priority from exam where id = e) = 'stat';
    update exam set priority = 'urgent' where id = e;
    insert into exam_event (exam_id, event, from_state, to_state) values (e, 'priority', 'arriving', 'arriving');
    perform t_object('1.5.7', '1.5.7.1.6', '{"priority": "stat"}');
    perform t_object('1.5.7', '1.5.7.1.7', '{"priority": "stat", "patient_id": ""}');
    assert (select priority from exam where id = e) = 'urgent';
end $$;
