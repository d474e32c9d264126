-- What devices and the queues do: devices found, objects stored, jobs,
-- rendering, deliveries. All for rdc_ingest.

-- ---------------------------------------------------------------- devices

-- The device that calls, the most specific first: {"id", "centre_id", "quiet"}
-- or {"cause": unknown_aet | wrong_address | wrong_called | disabled |
-- certificate_missing | certificate_unknown, "near"}, where near is a title that
-- differs in upper and lower case only. p_certificate: the SHA-256 of the
-- one it showed over TLS. A device that has one is not found without it, and no
-- less specific device takes its place.
create function device_find(p_aet text, p_address inet, p_called text, p_certificate text default null)
    returns jsonb
language plpgsql stable security definer set search_path = public as
$$
declare
    d device;
begin
    select x.* into d from device x join organisation o on o.id = x.org_id
    where x.aet = p_aet and x.disabled_at is null and o.disabled_at is null
        and (x.address is null or p_address <<= x.address)
        and (x.called is null or x.called = p_called)
    order by x.called nulls last, masklen(x.address) desc nulls last limit 1;
    if d.certificate <> coalesce(p_certificate, '') then
        return jsonb_build_object('cause',
            case when p_certificate is null then 'certificate_missing' else 'certificate_unknown' end);
    end if;
    if d.id is not null then
        return jsonb_build_object('id', d.id, 'centre_id', d.org_id,
            'centre', (select code from organisation where id = d.org_id), 'quiet', d.quiet_seconds,
            'called', d.called, 'charset', d.charset, 'max_associations', d.max_associations,
            'max_rate', d.max_rate, 'max_bytes_in_flight', d.max_bytes_in_flight);
    end if;
    return jsonb_build_object('cause', case
        when not exists (select from device where aet = p_aet) then 'unknown_aet'
        when not exists (select from device x join organisation o on o.id = x.org_id
            where aet = p_aet and x.disabled_at is null and o.disabled_at is null) then 'disabled'
        when not exists (select from device where aet = p_aet and disabled_at is null
            and (address is null or p_address <<= address)) then 'wrong_address'
        else 'wrong_called' end,
        'near', coalesce(
            (select min(called) from device where aet = p_aet and lower(called) = lower(p_called)),
            (select min(aet) from device where aet <> p_aet and lower(aet) = lower(p_aet))));
end $$;

-- ---------------------------------------------------------------- objects

-- DICOM DA and TM (PS3.5 6.2); null when they are not a date or a time. No
-- exception is caught, since that costs a subtransaction each time.
create function dicom_date(p text) returns date language plpgsql immutable as
$$
declare
    d date;
begin
    if p !~ '^(?!0000)\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])$' then
        return null;
    end if;
    d := make_date(substr(p, 1, 4)::int, substr(p, 5, 2)::int, 1) + substr(p, 7, 2)::int - 1;
    return case when extract(month from d) = substr(p, 5, 2)::int then d end;
end $$;
create function dicom_time(p text) returns time language plpgsql immutable as
$$
begin
    if p !~ '^([01]\d|2[0-3])([0-5]\d(([0-5]\d|60)(\.\d{1,6})?)?)?$' then
        return null;
    end if;
    return make_time(substr(p, 1, 2)::int, coalesce(nullif(substr(p, 3, 2), ''), '0')::int,
        least(coalesce(nullif(substr(p, 5), ''), '0')::numeric, 59.999999)::double precision);
end $$;

-- Functions that are called for every object are in PL/pgSQL, which keeps its
-- plans; a function in SQL is planned with each call. The plans may be from when the
-- tables were small, or without statistics: "centre_id + 0" keeps them from an
-- index that begins with the centre, and would then read all rows of it.
create function object_insert(p jsonb) returns bigint language plpgsql as
$$
declare
    v_id bigint;
begin
    insert into object (location, sha256, size, media)
    values (p ->> 'location', decode(p ->> 'sha256', 'hex'), (p ->> 'size')::bigint,
        coalesce(p ->> 'media', 'application/dicom'))
    returning id into v_id;
    return v_id;
end $$;

create function ingest_patient(p_centre bigint, p jsonb) returns bigint language plpgsql as
$$
declare
    v_id bigint;
    v_pid text := nullif(btrim(p ->> 'patient_id'), '');
begin
    select id into v_id from patient where patient_id = v_pid and issuer_id + 0 = p_centre;
    if v_id is null then
        insert into patient (issuer_id, patient_id, name, name_raw, charset, charset_guessed, birth_date, sex)
        values (p_centre, v_pid, p ->> 'patient_name', decode(p ->> 'patient_name_raw', 'hex'),
            p ->> 'charset', coalesce((p ->> 'charset_guessed')::boolean, false),
            dicom_date(p ->> 'birth_date'),
            case when p ->> 'sex' in ('M', 'F', 'O') then p ->> 'sex' end)
        on conflict do nothing returning id into v_id;
    end if;
    if v_id is null then
        select id into strict v_id from patient where patient_id = v_pid and issuer_id + 0 = p_centre;
    end if;
    return v_id;
end $$;

-- The study row of this object, locked, so that two workers that store the
-- same study take turns.
create function ingest_study(p_centre bigint, p jsonb) returns study language plpgsql as
$$
declare
    s study;
begin
    select * into s from study where centre_id = p_centre and study_uid = p ->> 'study_uid' for update;
    if s.id is null then
        insert into study (centre_id, study_uid, patient_id, accession, study_date, study_time, study_id, description)
        values (p_centre, p ->> 'study_uid', ingest_patient(p_centre, p), nullif(p ->> 'accession', ''),
            dicom_date(p ->> 'study_date'), dicom_time(p ->> 'study_time'), p ->> 'study_id', p ->> 'description')
        on conflict do nothing returning * into s;
    end if;
    if s.id is null then
        select * into strict s from study
        where centre_id = p_centre and study_uid = p ->> 'study_uid' for update;
    end if;
    return s;
end $$;

create function ingest_series(p_study bigint, p jsonb) returns bigint language plpgsql as
$$
declare
    v_id bigint;
begin
    select id into v_id from series where study_id = p_study and series_uid = p ->> 'series_uid';
    if v_id is null then
        insert into series (study_id, series_uid, modality, number, description, body_part, laterality)
        values (p_study, p ->> 'series_uid', p ->> 'modality', (p ->> 'series_number')::int,
            p ->> 'series_description', p ->> 'body_part', p ->> 'laterality')
        returning id into v_id;
    end if;
    return v_id;
end $$;

-- The exam of a study, made when the first object arrives.
create function ingest_exam(s study, p jsonb) returns exam language plpgsql as
$$
declare
    e exam;
begin
    select * into e from exam where study_id = s.id for update;
    if e.id is not null then
        return e;
    end if;
    insert into exam (centre_id, study_id, device_id, priority, quiet_seconds, line_id)
    values (s.centre_id, s.id, (p ->> 'device_id')::bigint, coalesce(p ->> 'priority', 'routine'),
        coalesce((p ->> 'quiet')::int, 15),
        (select id from line where p ->> 'modality' = any (modalities) and disabled_at is null
         order by id limit 1))
    returning * into e;
    insert into exam_event (exam_id, person_id, event, from_state, to_state)
    values (e.id, rdc_person(), 'arrive', null, 'arriving');
    return exam_meet_order(e.id);
end $$;

-- A new object came for this exam; p_first: the first under its UID.
create function ingest_exam_grew(e exam, p jsonb, p_first boolean) returns void language plpgsql as
$$
begin
    update exam set last_object_at = now(), objects = objects + p_first::int,
        priority = case when exam_raised(e.id, priority, p ->> 'priority') then p ->> 'priority' else priority end
    where id = e.id returning * into e;
    if e.state = 'arriving' and (p ->> 'single')::boolean
        and not manifest_covers(e.centre_id, p ->> 'study_uid') then
        perform exam_complete(e, 'single', 1);
    elsif e.state = 'returned' then
        perform exam_move(e, 'resent');
    elsif e.state = 'final' then
        perform exam_move(e, 'late');
    end if;
end $$;

create function ingest_conflict(e exam, p_cause text, p jsonb) returns void language sql as
$$
    update exam set conflicts = conflicts || jsonb_build_object('cause', p_cause, 'at', now(),
        'sop_uid', p ->> 'sop_uid', 'sha256', p ->> 'sha256')
    where id = e.id
$$;

-- An object has come again, and what came takes the place of its file; gives the old place.
create function object_replace(p_id bigint, p jsonb) returns text language plpgsql as
$$
declare
    o object;
begin
    select * into o from object where id = p_id for update;
    -- The same data set, behind a meta group that may have another length.
    update object set location = p ->> 'location', size = (p ->> 'size')::bigint, damaged_at = null where id = p_id;
    if o.damaged_at is not null then
        perform audit_write('heal', 'object', p_id);
    end if;
    return o.location;
end $$;

-- The files of these objects were found missing or changed.
create function object_damage(p_ids bigint[]) returns void language sql as
$$
    update object set damaged_at = coalesce(damaged_at, now()) where id = any (p_ids)
$$;

-- The same of the files at these places.
create function object_damaged(p_locations jsonb) returns void
language sql security definer set search_path = public as
$$
    select object_damage(array(select id from object
        where location in (select jsonb_array_elements_text(p_locations))))
$$;
grant execute on function object_damaged(jsonb) to rdc_ingest;

-- One object, already durable in the store. Same UID and digest: a duplicate, unless the stored
-- file was found damaged; then it is replaced, and "replaced" names the files that can go.
-- "have" are the stored files, to be read back before the duplicate is acknowledged. Reading a
-- large one takes longer than devices wait (2 GiB from a cold disk: 22 s), and the new file is as
-- good: so it takes the place of the old one unread, if both came from devices of the centre.
-- Their meta groups then differ at most in the device, which the index keeps as it was. The meta
-- group of an HTTP upload may say whose the object is: that must neither be lost nor slip in. And
-- an ECG with an original is made from at most 64 MiB, which are soon read.
-- Same UID, another digest: both are kept, and the conflict is shown on the exam. "job": the kind
-- of the next job for it, if any.
create function ingest_one(p jsonb, p_metadata json) returns jsonb language plpgsql as
$$
declare
    v_centre bigint := (p ->> 'centre_id')::bigint;
    v_sha bytea := decode(p ->> 'sha256', 'hex');
    s study;
    e exam;
    v_have record;
    v_report bigint; -- the study whose report it is
    v_instance bigint;
    v_check boolean;
begin
    -- What we made of another file is the same when that file is.
    select i.own, max(i.variant) over () as last, i.study_id, o.location = p ->> 'location' as ours,
        o.sha256 = v_sha or coalesce(f.sha256 = decode(p -> 'original' ->> 'sha256', 'hex'), false) as same,
        o.id as object_id, f.id as original_id,
        jsonb_build_object('location', o.location, 'size', o.size, 'sha256', encode(o.sha256, 'hex')) as file,
        jsonb_build_object('location', f.location, 'size', f.size, 'sha256', encode(f.sha256, 'hex'),
            'plain', true) as original,
        coalesce(not i.own and o.sha256 = v_sha and o.location <> p ->> 'location'
            and case when p ? 'original' then (o.damaged_at is not null or f.damaged_at is not null)
                    and f.sha256 = decode(p -> 'original' ->> 'sha256', 'hex')
                else o.damaged_at is not null end, false) as lost,
        coalesce(not i.own and o.sha256 = v_sha and o.location <> p ->> 'location' and f.id is null and not p ? 'original'
            and i.device_id > 0 and (p ->> 'device_id')::bigint > 0 and (p ->> 'size')::bigint >= 67108864, false) as large
    into v_have
    from instance i join object o on o.id = i.object_id left join object f on f.id = i.original_id
    where i.centre_id = v_centre and i.sop_uid = p ->> 'sop_uid'
    order by 1 desc, 5 desc limit 1;
    -- A report has no instance while its files are made again (integrity_rerender); what came then
    -- would open its exam again, and stand where they belong.
    select x.study_id into v_report from (select exam_id from report where sr_uid = p ->> 'sop_uid'
        union all select exam_id from report where pdf_uid = p ->> 'sop_uid') r
        join exam x on x.id = r.exam_id and x.centre_id = v_centre;
    if v_have.own or v_have.same or v_report is not null then
        select * into e from exam where study_id = coalesce(v_report, v_have.study_id);
        -- What was read may be committed here only, where the wait for a standby was
        -- broken off. A transaction that writes nothing would not wait: this one writes.
        perform pg_logical_emit_message(true, 'rdc', '')
        where current_setting('synchronous_standby_names') <> '';
        if v_have.lost or v_have.large then
            return jsonb_build_object('outcome', case when v_have.lost then 'stored' else 'duplicate' end,
                'exam', e.id, 'study_uid', (select study_uid from study where id = e.study_id),
                'replaced', jsonb_build_array(object_replace(v_have.object_id, p),
                    case when p ? 'original' then object_replace(v_have.original_id, p -> 'original') end));
        end if;
        -- The same file again: the outcome of its first commit was unknown.
        return jsonb_build_object('outcome', case when v_have.ours then 'stored' else 'duplicate' end,
            'exam', e.id, 'study_uid', (select study_uid from study where id = e.study_id),
            'have', case when v_have.own or v_have.ours or v_report is not null then null
                when p ? 'original' and v_have.original_id is not null
                    then jsonb_build_array(v_have.file, v_have.original)
                else jsonb_build_array(v_have.file) end);
    end if;
    s := ingest_study(v_centre, p);
    e := ingest_exam(s, p);
    if e.order_id is not null then
        perform ingest_against_order(e, p);
    elsif nullif(btrim(p ->> 'patient_id'), '') is distinct from
            (select patient_id from patient where id = s.patient_id) then
        perform ingest_conflict(e, 'patient', p);
    end if;
    if v_have.last is not null then
        perform ingest_conflict(e, case when v_have.study_id = s.id then 'content' else 'study' end, p);
    end if;
    insert into instance (centre_id, study_id, series_id, sop_uid, variant, sop_class,
        transfer_syntax, number, rows, columns, frames, object_id, original_id, device_id, metadata)
    values (v_centre, s.id, ingest_series(s.id, p), p ->> 'sop_uid', coalesce(v_have.last + 1, 0),
        p ->> 'sop_class', p ->> 'transfer_syntax', (p ->> 'instance_number')::int,
        (p ->> 'rows')::int, (p ->> 'columns')::int, (p ->> 'frames')::int,
        object_insert(p), case when p ? 'original' then object_insert(p -> 'original') end,
        (p ->> 'device_id')::bigint, p_metadata)
    returning id into v_instance;
    if p_metadata is null then
        insert into job (kind, subject_id, priority) values ('metadata', v_instance, e.priority);
    end if;
    if v_have.last is null then
        insert into job (kind, subject_id, priority)
        select k, v_instance, e.priority from look_kind(p ->> 'sop_class', p ->> 'transfer_syntax') k where k is not null;
    end if;
    perform evidence_grew(array[v_instance]);
    v_check := check_wanted(array[v_instance]);
    perform ingest_exam_grew(e, p, v_have.last is null);
    return jsonb_build_object('outcome', case when v_have.last is null then 'stored' else 'conflict' end,
        'exam', e.id, 'study_uid', s.study_uid,
        'job', case when p_metadata is null then 'metadata' when v_check then 'check' end);
end $$;

-- One object of a batch, as ingest/ingest_record.c writes it, with its place in the batch from
-- ingest/ingest_group.c: objects of one study, series or patient share study_no, series_no or
-- patient_no (from 1); leads: the first of its study; brings_series: the first of its series; many,
-- complete, urgency: of the study. Without study_no it is for ingest_one().
create type ingest_row as (
    n int, study_no int, series_no int, patient_no int, leads boolean, brings_series boolean, many int,
    complete boolean, urgency text,
    centre_id bigint, device_id bigint, quiet int, single boolean, priority text,
    transfer_syntax text, location text, sha256 text, media text, size bigint, original jsonb,
    patient_id text, patient_name text, patient_name_raw text, charset text, charset_guessed boolean,
    birth_date text, sex text, study_uid text, study_date text, study_time text, study_id text,
    accession text, description text, series_uid text, modality text, series_number int,
    series_description text, body_part text, laterality text, sop_class text, sop_uid text,
    instance_number int, rows int, columns int, frames int);

-- Stores those objects of a batch about which ingest_one() has nothing to decide, in one
-- statement: the UID is new, and either study and exam are new too, or the exam is still
-- arriving and the patient is the same. Returns the results of those it stored, in their
-- places; null elsewhere. Fails as a whole. If one object of a study does not qualify, all
-- objects of that study are left out.
--
-- New rows get their ids first, so that no insert waits for what another returns;
-- all come in the order of study and instance UIDs, in which rows are locked
-- everywhere. A study, patient or series that another worker makes at the same
-- time is a unique violation, and an exam that was completed meanwhile a
-- serialization failure: ingest_store() then looks again.
create function ingest_plain(p_batch jsonb, p_metadata json[]) returns jsonb[] language plpgsql as
$$
declare
    v_results jsonb[] := array_fill(null::jsonb, array[jsonb_array_length(p_batch)]);
    v_places int[];
    v_stored jsonb[];
    v_unmet bigint[];   -- new exams with an order to meet or a resident ID to doubt
    v_full bigint[];    -- exams that these objects complete, and that are not complete yet
    v_evident bigint[]; -- instances of studies for which there is evidence
    v_grown int;
    v_moved int;
begin
    with sent as (
        -- order_of_study(), manifest_covers() and the question of check_wanted(), written
        -- out: as functions they would be called for each object. The object goes from join to
        -- join as one value, o, and beside it only what is asked for on the way: every column costs
        -- the start of each join, which is most of what a small batch takes. Each row is looked up by
        -- itself (offset 0 keeps it so): a join of tables that were small when it was planned would
        -- read them whole, and go on when they have grown.
        select x as o, x.n, x.study_no, x.series_no, x.patient_no, x.leads, x.many, x.urgency,
            btrim(x.patient_id) as pid, p_metadata[x.n] is null as unread,
            case when a.id is not null and (a.state <> 'cancelled' or order_expects(a.r)) then a.id
                when b.id is not null and (b.state <> 'cancelled' or order_expects(b.r)) then b.id end as ordered,
            case when a.id is not null and (a.state <> 'cancelled' or order_expects(a.r)) then a.priority
                when b.id is not null and (b.state <> 'cancelled' or order_expects(b.r)) then b.priority end as wish,
            x.modality in ('CR', 'DX', 'RG', 'MG') or coalesce(a.id, b.id) is not null or i.elsewhere as check_it,
            coalesce(i.here or x.sop_uid = any ((select array_agg(u) from report r, unnest(array[r.sr_uid, r.pdf_uid]) u
                where r.rendered_at is null)::text[]), false) as here,
            v.id is not null as evident, x.complete is true and v.kind is distinct from 'manifest' as closes,
            s.id as old_study, e.id as old_exam, e.state, e.priority as old_priority, p.id as old_patient,
            s.patient_id = p.id as hers, q.id as old_series, p.resident_id, p.birth_date as born, p.sex as of_sex
        from jsonb_populate_recordset(null::ingest_row, p_batch) x
            left join lateral (select id, state, priority, r from exam_order r
                where study_uid = x.study_uid and centre_id + 0 = x.centre_id offset 0) a on true
            left join lateral (select id, state, priority, r from exam_order r
                where accession = nullif(btrim(x.accession), '') and centre_id + 0 = x.centre_id offset 0) b on true
            left join lateral (select id, kind from evidence
                where study_uid = x.study_uid and centre_id = x.centre_id offset 0) v on true
            left join lateral (select bool_or(centre_id = x.centre_id) as here,
                bool_or(centre_id <> x.centre_id) as elsewhere from instance where sop_uid = x.sop_uid) i on true
            left join lateral (select id, patient_id from study
                where study_uid = x.study_uid and centre_id = x.centre_id offset 0) s on true
            left join lateral (select id, state, priority from exam where study_id = s.id offset 0) e on true
            left join lateral (select id from series
                where study_id = s.id and series_uid = x.series_uid offset 0) q on true
            left join lateral (select id, resident_id, birth_date, sex from patient
                where patient_id = btrim(x.patient_id) and issuer_id + 0 = x.centre_id offset 0) p on true
        where x.study_no is not null
    ), known as materialized (
        select *, not here and (old_study is null or state = 'arriving' and hers)
            and (ordered is null or cardinality(order_against(ordered, (o).patient_id, (o).patient_name,
                (o).birth_date, (o).sex)) = 0) as plain
        from sent
    ), ids as materialized (
        -- People see those of exams: none is left out where the exam is there.
        select array_agg(nextval('study_id_seq')) as study, array_agg(nextval('patient_id_seq')) as patient,
            array_agg(nextval('series_id_seq')) as series,
            (select array_agg(case when old_exam is null then nextval('exam_id_seq') end order by study_no)
                from known where leads) as exam
        from generate_series(1, (select max(greatest(study_no, series_no, patient_no)) from known))
    ), r as materialized (
        select k.*, coalesce(old_study, i.study[study_no]) as study, coalesce(old_exam, i.exam[study_no]) as exam,
            coalesce(old_patient, i.patient[patient_no]) as patient, coalesce(old_series, i.series[series_no]) as in_series,
            nextval('object_id_seq') as object, nextval('instance_id_seq') as instance,
            old_exam is null and (ordered is not null or length(coalesce(resident_id, pid)) = 18
                and cardinality(resident_id_contradictions(coalesce(resident_id, pid),
                    case when old_patient is null then dicom_date((o).birth_date) else born end,
                    case when old_patient is null then (o).sex else of_sex end)) > 0) as unmet,
            case when old_priority is null then coalesce(w.urgency, 'routine')
                when w.urgency is null or w.urgency = old_priority then old_priority
                when exam_raised(old_exam, old_priority, w.urgency) then w.urgency else old_priority end as rank,
            case when unread then 'metadata' when check_it then 'check' end as next_job
        from ids i, known k cross join lateral (select case when 'stat' in (urgency, wish) then 'stat'
            when 'urgent' in (urgency, wish) then 'urgent' end as urgency) w
        where study_no not in (select study_no from known where plain is not true)
    ), grown as (
        update exam e set last_object_at = now(), objects = e.objects + r.many, priority = r.rank from r
        where e.id = any (array(select old_exam from r where leads)) and e.id = r.old_exam and r.leads
        returning e.state
    ), patients as (
        insert into patient (id, issuer_id, patient_id, name, name_raw, charset, charset_guessed, birth_date, sex)
        overriding system value
        select distinct on (patient_no) patient, (o).centre_id, pid, (o).patient_name,
            decode((o).patient_name_raw, 'hex'), (o).charset, coalesce((o).charset_guessed, false),
            dicom_date((o).birth_date), case when (o).sex in ('M', 'F', 'O') then (o).sex end
        from r where old_patient is null and leads order by patient_no, n
    ), studies as (
        insert into study (id, centre_id, study_uid, patient_id, accession, study_date, study_time, study_id,
            description) overriding system value
        select study, (o).centre_id, (o).study_uid, patient, nullif((o).accession, ''), dicom_date((o).study_date),
            dicom_time((o).study_time), (o).study_id, (o).description
        from r where old_study is null and leads
    ), routed as materialized (
        -- One that is complete with these objects starts as what exam_complete() would make of it.
        select r.exam, r.study, r.rank, r.many, (r.o).centre_id, (r.o).device_id, (r.o).quiet, l.id as line,
            c.hospital_id, c.id as contract, c.within_minutes, r.closes and not r.unmet as done,
            case when not r.closes or r.unmet then 'arriving' when c.id is null then 'unrouted' else 'waiting' end as starts
        from r left join lateral (select y.id from line y
                where (r.o).modality = any (y.modalities) and y.disabled_at is null order by y.id limit 1) l on true
            left join lateral exam_contract((r.o).centre_id, l.id) c on r.closes and not r.unmet
        where r.old_exam is null and r.leads
    ), exams as (
        insert into exam (id, centre_id, study_id, device_id, priority, quiet_seconds, line_id, state, grade, expected,
            objects, hospital_id, contract_id, due_at) overriding system value
        select exam, centre_id, study, device_id, rank, coalesce(quiet, 15), line, starts,
            case when done then 'single' end, case when done then 1 end, many, hospital_id, contract,
            now() + make_interval(mins => within_minutes)
        from routed
    ), events as (
        insert into exam_event (exam_id, person_id, event, from_state, to_state)
        select x.exam, (select rdc_person()), t.event, t.from_state, t.to_state
        from routed x cross join lateral (values ('arrive', null, 'arriving'),
            (case x.starts when 'waiting' then 'complete' else x.starts end, 'arriving', x.starts))
            t(event, from_state, to_state)
        where t.event <> 'arriving'
    ), new_series as (
        insert into series (id, study_id, series_uid, modality, number, description, body_part, laterality)
        overriding system value
        select in_series, study, (o).series_uid, (o).modality, (o).series_number, (o).series_description,
            (o).body_part, (o).laterality
        from r where old_series is null and (o).brings_series
    ), objects as (
        insert into object (id, location, sha256, size, media) overriding system value
        select object, (o).location, decode((o).sha256, 'hex'), (o).size, coalesce((o).media, 'application/dicom')
        from r
    ), instances as (
        insert into instance (id, centre_id, study_id, series_id, sop_uid, sop_class, transfer_syntax, number, rows,
            columns, frames, object_id, device_id, metadata) overriding system value
        select instance, (o).centre_id, study, in_series, (o).sop_uid, (o).sop_class, (o).transfer_syntax,
            (o).instance_number, (o).rows, (o).columns, (o).frames, object, (o).device_id, p_metadata[n]
        from r
    ), jobs as (
        insert into job (kind, subject_id, priority)
        select kind, instance, rank
        from r cross join lateral (values (next_job), (look_kind((o).sop_class, (o).transfer_syntax))) k(kind)
        where kind is not null
    )
    select array_agg(n), array_agg(jsonb_build_object('outcome', 'stored', 'exam', exam, 'study_uid', (o).study_uid,
            'job', next_job)),
        array_agg(exam) filter (where unmet and leads),
        array_agg(exam) filter (where closes and leads and (old_exam is not null or unmet)),
        array_agg(instance) filter (where evident), count(*) filter (where old_exam is not null and leads),
        (select count(*) from grown where state = 'arriving')
    into v_places, v_stored, v_unmet, v_full, v_evident, v_grown, v_moved from r;
    if v_grown <> v_moved then
        raise exception using errcode = 'serialization_failure', message = 'an exam was completed meanwhile';
    end if;
    for i in 1..coalesce(cardinality(v_places), 0) loop
        v_results[v_places[i]] := v_stored[i];
    end loop;
    if v_unmet is not null then
        perform exam_meet_order(x) from unnest(v_unmet) x;
    end if;
    if v_full is not null then
        perform exam_complete_all(v_full, 'single', 1);
    end if;
    if v_evident is not null then
        perform evidence_grew(v_evident);
    end if;
    return v_results;
end $$;

-- A batch, in one transaction: the plain objects as sets, tried twice if another worker was
-- first with a study; then the rest, or all if that failed, one by one, so that a bad object
-- fails alone. The batch comes ordered by study and instance UID, so that batches of several
-- workers cannot deadlock. Results are in the order of the batch. The metadata are a parameter
-- of their own, in the same order: they are not read here, and parsing those of an ECG as jsonb
-- would cost as much as its rows.
--
-- Plans are made once per connection and kept, even those made while the tables were empty.
-- So only plans are allowed that stay good: by index for each row.
create function ingest_store(p_batch jsonb, p_metadata json[] default '{}') returns jsonb
language plpgsql security definer set search_path = public set plan_cache_mode = force_generic_plan
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off as
$$
declare
    v record;
    v_results jsonb[] := array_fill(null::jsonb, array[jsonb_array_length(p_batch)]);
begin
    for i in 1..2 loop
        begin
            v_results := ingest_plain(p_batch, p_metadata);
            exit;
        exception
            when unique_violation or serialization_failure then
                null;
            when data_exception or integrity_constraint_violation then
                exit;
        end;
    end loop;
    if array_position(v_results, null) is null then
        return to_jsonb(v_results);
    end if;
    for v in select value as p, ordinality as n from jsonb_array_elements(p_batch) with ordinality
        where v_results[ordinality] is null order by ordinality loop
        for v_try in 1..10 loop
            begin
                v_results[v.n] := ingest_one(v.p, p_metadata[v.n]);
                exit;
            exception
                -- Another worker has committed under this UID in between: now it is seen.
                -- That is never the object's fault; if it goes on, the batch comes again.
                when unique_violation then
                    if v_try = 10 then
                        raise exception using errcode = 'serialization_failure', message = sqlerrm;
                    end if;
                when data_exception or integrity_constraint_violation then
                    v_results[v.n] := jsonb_build_object('outcome', 'error', 'message', sqlerrm);
                    exit;
            end;
        end loop;
    end loop;
    return to_jsonb(v_results);
end $$;

-- Which of these locations the index knows: the others are debris. But an empty index
-- beside a store with files is a new database with an old store, which must not be swept
-- but indexed (rdc fsck --rebuild).
create function object_known(p_locations text[]) returns text[]
language plpgsql stable security definer set search_path = public as
$$
begin
    if not exists (select from object) then
        perform fail(409, 'the index is empty, the store is not', 'rdc fsck --rebuild');
    end if;
    return (select coalesce(array_agg(location), '{}') from object where location = any (p_locations));
end $$;

-- May this person send, and for which centre?
create function upload_permit() returns jsonb
language plpgsql stable security definer set search_path = public as
$$
declare
    o organisation;
begin
    select * into o from organisation where id = rdc_org();
    if o.kind <> 'centre' or rdc_person_role() not in ('technician', 'doctor', 'admin') then
        perform fail(403, 'only the staff of a centre can upload', 'log in as its technician');
    end if;
    return jsonb_build_object('centre_id', o.id, 'code', o.code);
end $$;

-- ---------------------------------------------------------------- jobs

-- The worker that asks: RUN/SLOT/NUMBER, as its supervisor has named it.
create function job_owner() returns text language sql stable as
$$
    select coalesce(current_setting('rdc.worker', true), '')
$$;

-- Takes up to p_limit jobs. p_first: the worker claims for the first time; so who had its slot before
-- has ended, and what that had under way is tried again at once. That of workers which ended together
-- with their supervisor waits until its lease is over, a minute at most.
--
-- What was under way at some end of its worker is tried alone among its kind: one that brings it about
-- comes to five by itself, and others, or what a power cut broke off, are done before.
create function job_claim(p_kind text, p_limit int, p_lease_seconds int, p_first boolean default false) returns jsonb
language plpgsql security definer set search_path = public set plan_cache_mode = force_generic_plan
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as
$$
declare
    v_owner text := job_owner();
    v jsonb;
begin
    if p_first and v_owner <> '' then
        update job set state = 'queued', lease_until = null, run_at = now(), broken_off = broken_off + 1,
            last_error = 'the worker ended while at it'
        where state = 'running' and owner <> v_owner
            and owner like regexp_replace(v_owner, '[0-9]+$', '') || '%';
    end if;
    update job set state = 'quarantined', lease_until = null,
        last_error = coalesce(last_error, 'the worker ended while at it')
    where kind = p_kind and broken_off > 0 and broken_off + (state = 'running')::int >= 5
        and (state = 'queued' or (state = 'running' and lease_until < now()));
    with alone as (
        select id from job
        where kind = p_kind and broken_off > 0
            and ((state = 'queued' and run_at <= now()) or (state = 'running' and lease_until < now()))
            and not exists (select from job r where r.kind = p_kind and r.broken_off > 0 and r.state = 'running'
                and r.owner = v_owner and r.lease_until >= now())
        order by array_position(array['stat', 'urgent', 'routine'], priority), run_at, id
        limit 1 for update skip locked
    ), others as (
        select id from job
        where kind = p_kind and state in ('queued', 'running') and broken_off = 0
            and ((state = 'queued' and run_at <= now()) or (state = 'running' and lease_until < now()))
        order by array_position(array['stat', 'urgent', 'routine'], priority), run_at, id
        limit p_limit - (select count(*) from alone) for update skip locked
    ), picked as (
        select id from alone union all select id from others
    ), taken as (
        update job j set state = 'running', owner = v_owner,
            broken_off = broken_off + (state = 'running')::int,
            lease_until = now() + make_interval(secs => p_lease_seconds)
        where j.id = any (array(select id from picked)) returning j.*
    )
    select coalesce(jsonb_agg(jsonb_build_object('id', t.id, 'subject', t.subject_id,
        'attempt', t.attempts + 1, 'priority', t.priority, 'input', case
            when t.kind in ('metadata', 'pixels') then (select jsonb_build_object('location', o.location)
                from instance i join object o on o.id = i.object_id where i.id = t.subject_id)
            when t.kind = 'check' then check_input(t.subject_id)
            when t.kind = 'measure' then measure_input(t.subject_id)
            when t.kind = 'render' then report_render_input(t.subject_id) end)
        order by array_position(array['stat', 'urgent', 'routine'], t.priority), t.id), '[]')
    into v from taken t;
    return v;
end $$;

-- What is still under way.
create function job_renew(p_jobs bigint[], p_lease_seconds int) returns void
language sql security definer set search_path = public as
$$
    update job set lease_until = now() + make_interval(secs => p_lease_seconds)
    where id = any (p_jobs) and state = 'running' and owner is not distinct from job_owner()
$$;

create function job_failed(p_job bigint, p_error text, p_retry_seconds int) returns void
language sql security definer set search_path = public as
$$
    update job set state = case when attempts >= 2 then 'quarantined' else 'queued' end,
        attempts = attempts + 1, lease_until = null, last_error = left(p_error, 500),
        run_at = now() + make_interval(secs => p_retry_seconds)
    where id = p_job and state = 'running' and owner is not distinct from job_owner()
$$;

-- What did not come to its end for a reason that is not the job's is no attempt. The pause grows to
-- ten minutes, where there is one: without, its worker just ends.
create function job_put_back(p_job bigint, p_error text, p_retry_seconds int) returns void
language sql security definer set search_path = public as
$$
    update job set state = 'queued', lease_until = null,
        put_back = put_back + (p_retry_seconds > 0)::int, last_error = coalesce(left(p_error, 500), last_error),
        run_at = now() + make_interval(secs => least(600, p_retry_seconds * power(2, least(put_back, 10))))
    where id = p_job and state = 'running' and owner is not distinct from job_owner()
$$;

-- p_short: why there are fewer pixels than the object states; null: there are not. Gives whether there is
-- something to check now.
create function metadata_done(p_job bigint, p_instance bigint, p_metadata json, p_short text default null) returns boolean
language plpgsql security definer set search_path = public as
$$
begin
    update instance set metadata = p_metadata where id = p_instance;
    delete from job where id = p_job;
    perform advice_damage(p_instance, 'image_damaged', p_short) where p_short is not null;
    return check_wanted(array[p_instance]);
end $$;

-- ---------------------------------------------------------------- report files

create function report_render_input(p_report bigint) returns jsonb
language sql stable security definer set search_path = public as
$$
    select jsonb_build_object(
        'report', r.id, 'version', r.version, 'state', r.state,
        'findings', r.content ->> 'findings', 'impression', r.content ->> 'impression',
        'content_sha256', encode(r.content_sha256, 'hex'), 'damaged', r.damaged,
        'author', person_name(r.author_id), 'signer', person_name(r.signer_id),
        'signed_at_us', (extract(epoch from r.signed_at) * 1000000)::bigint,
        'utc_offset_minutes', (extract(epoch from (r.signed_at at time zone c.timezone)
            - (r.signed_at at time zone 'UTC')) / 60)::int,
        'sr_uid', r.sr_uid, 'sr_series_uid', r.sr_series_uid,
        'pdf_uid', r.pdf_uid, 'pdf_series_uid', r.pdf_series_uid,
        'exam', e.id, 'line', l.code, 'line_name', l.name,
        'centre', c.name, 'centre_code', c.code, 'hospital', h.name, 'hospital_code', h.code,
        'modality', (select modality from series where study_id = s.id
            and modality not in ('SR', 'DOC') order by id limit 1),
        'patient', jsonb_build_object('id', p.patient_id, 'name', p.name, 'sex', p.sex,
            'birth_date', to_char(p.birth_date, 'YYYYMMDD')),
        'study_uid', s.study_uid, 'accession', s.accession, 'study_id', s.study_id,
        'study_date', to_char(s.study_date, 'YYYYMMDD'), 'study_time', to_char(s.study_time, 'HH24MISS'),
        'description', s.description,
        'previous', (select jsonb_build_object('sr_uid', o.sr_uid,
                'sr_series_uid', o.sr_series_uid, 'version', o.version,
                'sr_class', (select sop_class from instance where object_id = o.sr_object_id limit 1))
            from report o where o.exam_id = e.id and o.version = r.version - 1),
        'evidence', (select coalesce(jsonb_agg(jsonb_build_object('series_uid', q.series_uid,
                'sop_class', i.sop_class, 'sop_uid', i.sop_uid) order by q.id, i.id), '[]')
            from instance i join series q on q.id = i.series_id
            where i.study_id = s.id and not i.own and i.variant = 0))
    from report r
        join exam e on e.id = r.exam_id
        join study s on s.id = e.study_id
        join patient p on p.id = s.patient_id
        join organisation c on c.id = e.centre_id
        join organisation h on h.id = e.hospital_id
        left join line l on l.id = e.line_id
    where r.id = p_report
$$;

create function report_instance(p_exam exam, p_series_uid text, p_modality text, p_sop_uid text,
    p_sop_class text, p_number int, p_object bigint) returns void language sql as
$$
    insert into series (study_id, series_uid, modality, number, description)
    values (p_exam.study_id, p_series_uid, p_modality,
        case p_modality when 'SR' then 9000 else 9500 end + p_number, 'report');
    insert into instance (centre_id, study_id, series_id, sop_uid, sop_class, transfer_syntax,
        number, object_id, own)
    select p_exam.centre_id, p_exam.study_id, id, p_sop_uid, p_sop_class, '1.2.840.10008.1.2.1',
        p_number, p_object, true
    from series where study_id = p_exam.study_id and series_uid = p_series_uid
$$;

-- The files of a report stand in the store; now its deliveries can leave. A
-- second rendering of the same version changes nothing.
create function report_rendered(p_job bigint, p_report bigint, p_sr jsonb, p_pdf jsonb, p_pdf_file jsonb)
returns boolean language plpgsql security definer set search_path = public as
$$
declare
    r report;
    e exam;
begin
    delete from job where id = p_job;
    select * into strict r from report where id = p_report for update;
    if r.rendered_at is not null then
        return false;
    end if;
    select * into strict e from exam where id = r.exam_id;
    update report set rendered_at = now(), sr_object_id = object_insert(p_sr),
        pdf_object_id = object_insert(p_pdf), pdf_file_id = object_insert(p_pdf_file)
    where id = r.id returning * into r;
    perform report_instance(e, r.sr_series_uid, 'SR', r.sr_uid, p_sr ->> 'sop_class', r.version, r.sr_object_id);
    perform report_instance(e, r.pdf_series_uid, 'DOC', r.pdf_uid, p_pdf ->> 'sop_class', r.version, r.pdf_object_id);
    return true;
end $$;

-- Nothing tries any more to render it.
create function render_failed(p_report bigint) returns boolean
language sql stable security definer set search_path = public as
$$
    select exists (select from job where kind = 'render' and subject_id = p_report and state = 'quarantined')
$$;

-- The newest signed report of an exam, or the version that is asked for, as a file.
create function report_file(p_exam bigint, p_version int) returns jsonb
language plpgsql stable as
$$
declare
    v record;
begin
    if not exists (select from exam where id = p_exam) then
        perform fail(404, 'no such exam', 'list them with GET /api/v1/exams');
    end if;
    select r.id, r.version, r.state, o.location, o.size, r.rendered_at into v
    from report r left join object o on o.id = r.pdf_file_id
    where r.exam_id = p_exam and (p_version is null or r.version = p_version)
    order by r.version desc limit 1;
    if v.version is null then
        perform fail(404, 'no signed report yet', 'look at the state of the exam');
    end if;
    return jsonb_build_object('version', v.version, 'state', v.state, 'location', v.location, 'size', v.size,
        'failed', v.location is null and render_failed(v.id));
end $$;

create function instance_file(p_uid text) returns jsonb
language plpgsql stable as
$$
declare
    v jsonb;
begin
    select jsonb_build_object('location', o.location, 'size', o.size, 'sop_class', i.sop_class,
        'transfer_syntax', i.transfer_syntax, 'frames', i.frames, 'sha256', encode(o.sha256, 'hex'),
        'exam', (select id from exam where study_id = i.study_id),
        -- Of a report that stands: an exam that is read again is unconfirmed until it is signed.
        'confirmed_by', (
            select person_name(r.signer_id) || ' ' || to_char(r.signed_at at time zone c.timezone, 'YYYY-MM-DD HH24:MI')
            from exam e join report r on r.exam_id = e.id join organisation c on c.id = e.centre_id
            where e.study_id = i.study_id and e.state = 'final' and r.state in ('final', 'amended')
            order by r.version desc limit 1))
    into v from instance i join object o on o.id = i.object_id
    where i.sop_uid = p_uid order by i.variant, i.id limit 1;
    if v is null then
        perform fail(404, 'no such instance', 'the SOP Instance UIDs stand in GET /api/v1/exams/{id}');
    end if;
    return v;
end $$;

-- ---------------------------------------------------------------- deliveries

-- due ─claim─► sending ─ok─► acknowledged
-- sending ─lease ran out, passing failure─► due     ─permanent─► dead ─retry─► due
-- due ─newer version─► superseded   (also dead, when that is signed)
--
-- One delivery at a time to each destination, so that one that hangs holds up
-- nobody else's.
create function delivery_claim(p_limit int, p_lease_seconds int) returns jsonb
language plpgsql security definer set search_path = public as
$$
declare
    v jsonb;
    v_free bigint[];
begin
    update delivery set state = 'due', lease_until = null,
        last_error = coalesce(last_error, 'the worker ended while sending')
    where state = 'sending' and lease_until < now();
    -- What was being sent when a newer version was signed, and failed, shall not come after that.
    update delivery d set state = 'superseded'
    from report r where d.state = 'due' and r.id = d.report_id
        and exists (select from report n where n.exam_id = r.exam_id and n.version > r.version);
    -- First the destinations, so that nobody else claims for them; then, with what those did who
    -- had them before, the first of each.
    v_free := array(select t.id from destination t
        where t.disabled_at is null
            and exists (select from delivery d where d.destination_id = t.id and d.state = 'due' and d.next_at <= now())
        for no key update of t skip locked);
    with free as (
        select t.id as destination_id,
            (select d.id from delivery d join report r on r.id = d.report_id
                join exam e on e.id = r.exam_id
             where d.destination_id = t.id and d.state = 'due' and d.next_at <= now()
                and r.rendered_at is not null
             order by array_position(array['stat', 'urgent', 'routine'], e.priority), d.next_at, d.id
             limit 1) as delivery_id
        from destination t
        where t.id = any (v_free) and not exists (
            select from delivery b where b.destination_id = t.id and b.state = 'sending')
    ), taken as (
        update delivery d set state = 'sending', attempts = attempts + 1, lease_no = lease_no + 1,
            lease_until = now() + make_interval(secs => p_lease_seconds)
        from (select delivery_id from free where delivery_id is not null limit p_limit) f
        where d.id = f.delivery_id and d.state = 'due' returning d.*
    )
    select coalesce(jsonb_agg(jsonb_build_object('id', k.id, 'lease', k.lease_no,
        'attempt', k.attempts, 'destination', t.name, 'aet', t.aet, 'host', t.host, 'port', t.port,
        'tls', t.tls,
        'objects', (select jsonb_agg(jsonb_build_object('sop_uid', i.sop_uid,
                'sop_class', i.sop_class, 'transfer_syntax', i.transfer_syntax,
                'location', o.location, 'size', o.size) order by i.id)
            from report r join instance i on i.own and i.object_id in (r.sr_object_id, r.pdf_object_id)
                join object o on o.id = i.object_id
            where r.id = k.report_id)) order by k.id), '[]')
    into v from taken k join destination t on t.id = k.destination_id;
    return v;
end $$;

-- What is still being sent. A lease that is not the newest changes nothing, here as below.
create function delivery_renew(p_deliveries bigint[], p_leases bigint[], p_lease_seconds int) returns void
language sql security definer set search_path = public as
$$
    update delivery d set lease_until = now() + make_interval(secs => p_lease_seconds)
    from unnest(p_deliveries, p_leases) u(id, lease)
    where d.id = u.id and d.lease_no = u.lease and d.state = 'sending'
$$;

-- p_outcome: ok (p_message: with which warnings), retry, permanent (why).
create function delivery_done(p_delivery bigint, p_lease bigint, p_outcome text, p_message text,
    p_retry_min int, p_retry_max int) returns text
language sql security definer set search_path = public as
$$
    update delivery set
        state = case when p_outcome = 'ok' then 'acknowledged'
                     when p_outcome = 'permanent' then 'dead' else 'due' end,
        acknowledged_at = case when p_outcome = 'ok' then now() end,
        warning = case when p_outcome = 'ok' then nullif(left(p_message, 500), '') end,
        last_error = case when p_outcome <> 'ok' then left(p_message, 500) end,
        lease_until = null,
        next_at = now() + make_interval(secs => least(p_retry_max::double precision,
            p_retry_min * power(2, least(attempts - 1, 20))))
    where id = p_delivery and lease_no = p_lease and state = 'sending'
    returning state
$$;

create function delivery_retry(p_delivery bigint) returns text
language sql security definer set search_path = public as
$$
    update delivery set state = 'due', next_at = now() where id = p_delivery and state in ('dead', 'due')
    returning state
$$;

-- ---------------------------------------------------------------- grants

grant execute on function session_login(text), session_failed(bigint), session_open(bigint, bytea, int),
    session_enter(bytea), session_close(bytea), audit_read(text, bigint), fail(int, text, text),
    exam_claim(bigint, int), exam_heartbeat(bigint, bigint, int), exam_draft(bigint, bigint, jsonb, int),
    exam_reader(exam), exam_submit(bigint, bigint, text), exam_recall(bigint, int), exam_sign(bigint, bigint, text),
    exam_reader_act(bigint, text, bigint, text, text), exam_centre_act(bigint, text, text), exam_set_priority(bigint, text, text),
    exam_rows(bigint[]), exam_conflicts(exam), exam_detail(exam), exam_get(bigint), exam_list(text, timestamptz, int), exam_worklist(int),
    exam_newest(text, timestamptz, int),
    exam_objects(bigint), exam_objects_digest(bigint), exam_two_step(exam), person_name(bigint),
    upload_permit(), report_file(bigint, int), render_failed(bigint), instance_file(text)
    to rdc_api;
grant execute on function device_find(text, inet, text, text), ingest_store(jsonb, json[]), object_known(text[]),
    exam_expire_due(), job_claim(text, int, int, boolean), job_renew(bigint[], int), job_failed(bigint, text, int),
    job_put_back(bigint, text, int),
    metadata_done(bigint, bigint, json, text), report_rendered(bigint, bigint, jsonb, jsonb, jsonb),
    delivery_claim(int, int), delivery_renew(bigint[], bigint[], int), delivery_done(bigint, bigint, text, text, int, int)
    to rdc_ingest;
