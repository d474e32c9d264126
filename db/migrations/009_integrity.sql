-- What `rdc fsck` asks and repairs, and how it makes the index again from the
-- store. All as the owner.

-- What in the index contradicts itself, or waits for something that will never
-- come. open: store and index do not agree while it stands; else it is for a
-- person to know.
create function integrity_findings() returns table (kind text, subject text, detail text, open boolean)
language sql stable as
$$
    select 'metadata_missing', 'instance ' || i.sop_uid, 'no metadata, and no job that would make it', true
    from instance i
    where i.metadata is null and not i.own
        and not exists (select from job j where j.kind = 'metadata' and j.subject_id = i.id)
    union all
    select 'report_unrendered', 'report ' || r.id, 'no files, and no job that would make them', true
    from report r
    where r.rendered_at is null
        and not exists (select from job j where j.kind = 'render' and j.subject_id = r.id)
    union all
    select 'job_orphan', 'job ' || j.id, j.kind || ' of something that is not there', true
    from job j
    where (j.kind in ('metadata', 'check', 'measure', 'pixels') and not exists (select from instance i where i.id = j.subject_id))
        or (j.kind = 'render' and not exists (select from report r where r.id = j.subject_id))
    union all
    select 'job_quarantined', 'job ' || j.id, j.kind || ': ' || coalesce(j.last_error, ''), false
    from job j where j.state = 'quarantined'
    union all
    select 'job_put_back', 'job ' || j.id, format('%s: tried %s times, and never noted: %s', j.kind, j.put_back,
        coalesce(j.last_error, '')), false
    from job j where j.put_back >= 5
    union all
    select 'job_stuck', 'job ' || j.id, j.kind || ': its lease ran out and nobody took it', false
    from job j where j.state = 'running' and j.lease_until < now() - interval '10 minutes'
    union all
    select 'exam_missing', 'study ' || s.study_uid, 'a study without an exam', true
    from study s where not exists (select from exam e where e.study_id = s.id)
    union all
    select 'exam_stuck', 'exam ' || e.id, 'still arriving, long after its last object', false
    from exam e
    where e.state = 'arriving'
        and e.last_object_at + make_interval(secs => e.quiet_seconds) < now() - interval '1 hour'
    union all
    select 'exam_miscounted', 'exam ' || e.id, format('counts %s objects, has %s', e.objects, coalesce(c.n, 0)), true
    from exam e left join (select study_id, count(*) as n from instance where not own and variant = 0 group by 1) c
        on c.study_id = e.study_id
    where e.objects <> coalesce(c.n, 0)
    union all
    select 'report_missing', 'exam ' || e.id, e.state || ' without a signed report', true
    from exam e
    where e.state in ('final', 'retracted') and not exists (select from report r where r.exam_id = e.id)
    union all
    select 'instance_misplaced', 'instance ' || i.sop_uid, 'its series or its centre is not its study''s', true
    from instance i join series q on q.id = i.series_id join study s on s.id = i.study_id
    where q.study_id <> i.study_id or s.centre_id <> i.centre_id
    union all
    -- Of what has no foreign key, since it comes with each object (001).
    select 'reference_missing', x.what, 'it belongs to ' || x.whose || ' that is not there', true
    from (select 'series ' || q.series_uid, 'a study' from series q
            where not exists (select from study s where s.id = q.study_id)
        union all select 'instance ' || i.sop_uid, 'a study' from instance i
            where not exists (select from study s where s.id = i.study_id)
        union all select 'instance ' || i.sop_uid, 'an object' from instance i
            where not exists (select from object o where o.id = i.object_id)
        union all select 'instance ' || i.sop_uid, 'an original' from instance i
            where i.original_id is not null and not exists (select from object o where o.id = i.original_id)
        union all select 'exam ' || e.id, 'a study' from exam e
            where not exists (select from study s where s.id = e.study_id)
        union all select 'exam_event ' || v.id, 'an exam' from exam_event v
            where not exists (select from exam e where e.id = v.exam_id)) x(what, whose)
    union all
    select 'delivery_stuck', 'delivery ' || d.id, 'sending, and its lease ran out', false
    from delivery d where d.state = 'sending' and d.lease_until < now() - interval '10 minutes'
    union all
    select 'object_unused', o.location, 'no instance or report names it', false
    from object o
    where not exists (select from instance i where i.object_id = o.id or i.original_id = o.id)
        and not exists (select from report r
                        where o.id in (r.sr_object_id, r.pdf_object_id, r.pdf_file_id))
    union all
    select 'constraint_invalid', conrelid::regclass || ' ' || conname, 'not checked for all rows', true
    from pg_constraint where not convalidated and connamespace = 'public'::regnamespace
$$;

-- The job that each of those rows waits for, and counts.
create function integrity_repair() returns void language sql as
$$
    -- Locked first: counted is what is there when nobody adds to it.
    select from exam where objects <> exam_objects(study_id) order by id for update;
    update exam set objects = exam_objects(study_id) where objects <> exam_objects(study_id);
    delete from job j
    where (j.kind in ('metadata', 'check', 'measure', 'pixels') and not exists (select from instance i where i.id = j.subject_id))
        or (j.kind = 'render' and not exists (select from report r where r.id = j.subject_id));
    insert into job (kind, subject_id)
    select 'metadata', i.id from instance i where i.metadata is null and not i.own
    on conflict do nothing;
    insert into job (kind, subject_id, priority)
    select 'render', r.id, 'stat' from report r where r.rendered_at is null
    on conflict do nothing
$$;

-- The files of a report are gone: they are made again, under the same UIDs.
-- False when the object belongs to no report; then it is replaced when it comes again. Null: its
-- file is no longer the one at this place.
create function integrity_rerender(p_object bigint, p_location text) returns boolean language plpgsql as
$$
declare
    r report;
begin
    if not exists (select from object where id = p_object and location = p_location for update) then
        return null;
    end if;
    select * into r from report
    where p_object in (sr_object_id, pdf_object_id, pdf_file_id) for update;
    if r.id is null then
        perform object_damage(array[p_object]);
        return false;
    end if;
    update report set rendered_at = null, sr_object_id = null, pdf_object_id = null, pdf_file_id = null
    where id = r.id;
    delete from instance where own and object_id in (r.sr_object_id, r.pdf_object_id);
    delete from series q using exam e
    where e.id = r.exam_id and q.study_id = e.study_id
        and q.series_uid in (r.sr_series_uid, r.pdf_series_uid)
        and not exists (select from instance i where i.series_id = q.id);
    delete from object where id in (r.sr_object_id, r.pdf_object_id, r.pdf_file_id);
    insert into job (kind, subject_id, priority) values ('render', r.id, 'stat')
    on conflict (kind, subject_id) do update
        set state = 'queued', attempts = 0, broken_off = 0, put_back = 0, run_at = now(), lease_until = null, last_error = null;
    return true;
end $$;

-- One object of the store, from what its file says: the record as ingest makes
-- it and the provenance beside it. Centres that are not there are made, with
-- their code as name; devices are not, since who may send is an operator's to say.
create function rebuild_one(p_record jsonb, p_provenance jsonb) returns text language plpgsql as
$$
declare
    v_centre bigint;
    v_own boolean := coalesce((p_provenance ->> 'own')::boolean, false);
    v_at timestamptz := to_timestamp((p_provenance ->> 'received_us')::numeric / 1000000);
    v_instance bigint;
    v jsonb;
    e exam;
begin
    insert into organisation (code, name, kind)
    select p_provenance ->> 'centre', p_provenance ->> 'centre', 'centre'
    where not exists (select from organisation where code = p_provenance ->> 'centre');
    select id into strict v_centre from organisation where code = p_provenance ->> 'centre';
    v := ingest_one(p_record || jsonb_strip_nulls(jsonb_build_object('centre_id', v_centre,
        'device_id', (select min(id) from device
                      where org_id = v_centre and aet = p_provenance ->> 'device'))), null);
    select i.id into v_instance from instance i join object o on o.id = i.object_id
    where o.location = p_record ->> 'location';
    if v_instance is null then
        return v ->> 'outcome';
    end if;
    update instance set received_at = v_at, own = v_own where id = v_instance;
    if v_own then
        delete from job where kind = 'metadata' and subject_id = v_instance;
        update exam set objects = exam_objects(study_id) where id = (v ->> 'exam')::bigint;
        -- Its report was signed; the rows of the report are not in the store.
        select * into e from exam where id = (v ->> 'exam')::bigint for update;
        if e.state <> 'withdrawn' then
            update exam set reason = 'rebuilt from the store: its report stands among its objects'
            where id = e.id;
            perform exam_move(e, 'withdraw', jsonb_build_object('cause', 'rebuilt'));
        end if;
    else
        update exam set last_object_at = v_at where id = (v ->> 'exam')::bigint;
    end if;
    return v ->> 'outcome';
exception when data_exception or integrity_constraint_violation then
    return 'error';
end $$;
