-- rdc fsck: what contradicts itself is found, and the job that repairs it queued.
do $$
declare
    v jsonb := t_object('1.9.1', '1.9.1.1.1');
    o bigint;
begin
    assert not exists (select from integrity_findings() where open), 'a new object has its job';
    delete from job;
    assert (select array_agg(kind) from integrity_findings()) = array['metadata_missing'];
    perform integrity_repair();
    assert (select array_agg(kind) from job) = array['metadata'];
    assert not exists (select from integrity_findings() where open);
    insert into job (kind, subject_id) values ('render', 999999);
    assert (select array_agg(kind) from integrity_findings()) = array['job_orphan'];
    perform integrity_repair();
    assert not exists (select from integrity_findings() where open);
    update exam set objects = 7 where study_id = (select study_id from instance where sop_uid = '1.9.1.1.1');
    assert (select array_agg(kind) from integrity_findings()) = array['exam_miscounted'];
    perform integrity_repair();
    assert not exists (select from integrity_findings() where open);
    -- what has no foreign key is looked for, and what it refers to is not deleted
    insert into series (study_id, series_uid) values (999999, '1.9.1.9');
    assert (select array_agg(kind || ' ' || subject) from integrity_findings()) = array['reference_missing series 1.9.1.9'];
    delete from series where series_uid = '1.9.1.9';
    update instance set object_id = 999999 where sop_uid = '1.9.1.1.1';
    assert (select array_agg(kind || ' ' || detail order by kind) from integrity_findings())
        = array['object_unused no instance or report names it', 'reference_missing it belongs to an object that is not there'];
    update instance set object_id = (select max(id) from object) where sop_uid = '1.9.1.1.1';
    insert into exam_event (exam_id, event, to_state) values (999999, 'arrive', 'arriving');
    assert (select array_agg(kind || ' ' || detail) from integrity_findings())
        = array['reference_missing it belongs to an exam that is not there'];
    delete from exam_event where exam_id = 999999;
    perform t_fails('23001', 'delete from exam');
    perform t_fails('23001', 'delete from study');
    assert not exists (select from integrity_findings() where open);
    -- an object that is no report's is not rendered again
    select object_id into o from instance where sop_uid = '1.9.1.1.1';
    assert integrity_rerender(o, 'where it was before') is null;
    assert not integrity_rerender(o, (select location from object where id = o));
    -- an index without objects refuses to call anything debris
    delete from job;
    delete from instance;
    delete from object;
    perform t_fails('RD409', 'select object_known(array[''a/0/1.dcm''])');
    -- rebuilt: the centre is made, the object stands under its time, ours is ours
    assert rebuild_one(('{"study_uid": "1.9.2", "series_uid": "1.9.2.1", "sop_uid": "1.9.2.1.1",
        "sop_class": "1.2.840.10008.5.1.4.1.1.2", "transfer_syntax": "1.2.840.10008.1.2.1",
        "location": "r/0/1.dcm", "sha256": "'
        || repeat('ab', 32) || '", "size": 10, "quiet": 0, "modality": "CT"}')::jsonb,
        '{"centre": "NEWONE", "device": "CT1", "received_us": 1700000000000000}') = 'stored';
    assert (select received_at from instance where sop_uid = '1.9.2.1.1')
        = to_timestamp(1700000000);
    assert (select kind from organisation where code = 'NEWONE') = 'centre';
    -- another object under the UID is beside it again, for a person to decide which is shown
    assert rebuild_one(('{"study_uid": "1.9.2", "series_uid": "1.9.2.1", "sop_uid": "1.9.2.1.1",
        "sop_class": "1.2.840.10008.5.1.4.1.1.2", "transfer_syntax": "1.2.840.10008.1.2.1",
        "location": "r/0/4.dcm", "sha256": "'
        || repeat('ba', 32) || '", "size": 10, "quiet": 0, "modality": "CT"}')::jsonb,
        '{"centre": "NEWONE", "device": "CT1", "received_us": 1700000000500000}') = 'conflict';
    assert (select conflicts #>> '{0,cause}' = 'content' and not conflicts -> 0 ? 'resolved'
        from exam e join study s on s.id = e.study_id where study_uid = '1.9.2');
    assert rebuild_one(('{"study_uid": "1.9.2", "series_uid": "1.9.2.2", "sop_uid": "1.9.2.2.1",
        "sop_class": "1.2.840.10008.5.1.4.1.1.88.11", "transfer_syntax": "1.2.840.10008.1.2.1",
        "location": "r/0/2.dcm", "sha256": "'
        || repeat('cd', 32) || '", "size": 10, "quiet": 0, "modality": "SR"}')::jsonb,
        '{"centre": "NEWONE", "own": true, "received_us": 1700000001000000}') = 'stored';
    assert (select own from instance where sop_uid = '1.9.2.2.1');
    assert not exists (select from integrity_findings() where kind = 'exam_miscounted'
        and subject <> (select 'exam ' || e.id from exam e join study s on s.id = e.study_id where study_uid = '1.9.1'));
    assert (select state from exam e join study s on s.id = e.study_id where study_uid = '1.9.2')
        = 'withdrawn';
    assert rebuild_one(('{"study_uid": "not a uid", "series_uid": "1", "sop_uid": "1.9.3",
        "sop_class": "1", "transfer_syntax": "1", "location": "r/0/3.dcm", "sha256": "'
        || repeat('ef', 32) || '", "size": 1}')::jsonb, '{"centre": "NEWONE", "received_us": 0}') = 'error';
end $$;
