-- What devices say about their work: performed procedure steps (MPPS, PS3.4
-- F.7), requests for storage commitment (PS3.4 J), and the evidence of what a
-- study should hold that follows from both.

-- A reply to an N-service: status (PS3.7 Annex C), Error Comment, Error ID, and
-- the attributes it is about.
create function dimse_reply(p_status int, p_comment text default null, p_tags text[] default null,
    p_error_id int default null) returns jsonb language sql immutable as
$$
    select jsonb_strip_nulls(jsonb_build_object('status', p_status, 'comment', left(p_comment, 64),
        'tags', p_tags, 'error_id', p_error_id))
$$;

-- Data sets come in the DICOM JSON model (PS3.18 F): attributes by tag, values
-- in arrays. First value of an attribute as text; items of a sequence.
create function dicom_text(p jsonb, p_tag text) returns text language sql immutable as
$$ select nullif(btrim(p -> p_tag -> 'Value' ->> 0), '') $$;
create function dicom_items(p jsonb, p_tag text) returns setof jsonb language sql immutable as
$$
    select v from jsonb_array_elements(case when jsonb_typeof(p -> p_tag -> 'Value') = 'array'
        then p -> p_tag -> 'Value' else '[]' end) v
    where jsonb_typeof(v) = 'object'
$$;

-- ---------------------------------------------------------------- performed steps

-- content is the data set as created, with what was set since laid over it.
create table performed_step (
    id bigint generated always as identity primary key,
    centre_id bigint not null references organisation,
    device_id bigint references device,
    sop_uid text not null,
    state text not null default 'IN PROGRESS',
    state_at timestamptz not null default now(),
    content jsonb not null,
    accession text,
    created_at timestamptz not null default now(),
    ended_at timestamptz,
    constraint performed_step_uid_unique unique (sop_uid, centre_id),
    constraint performed_step_uid_form check (sop_uid ~ '^[0-9.]+$' and length(sop_uid) <= 64),
    constraint performed_step_state_known check (state in ('IN PROGRESS', 'COMPLETED', 'DISCONTINUED')),
    constraint performed_step_ended_tied check ((state = 'IN PROGRESS') = (ended_at is null))
);

-- The studies that a step belongs to: one, unless several orders are done at once.
create table performed_study (
    step_id bigint not null references performed_step,
    centre_id bigint not null references organisation,
    study_uid text not null,
    primary key (study_uid, centre_id, step_id),
    constraint performed_study_uid_form check (study_uid ~ '^[0-9.]+$' and length(study_uid) <= 64)
);
create index performed_study_step on performed_study (step_id);

create table performed_series (
    id bigint generated always as identity primary key,
    step_id bigint not null references performed_step,
    series_uid text not null,
    protocol text,
    description text,
    constraint performed_series_unique unique (step_id, series_uid)
);

create table performed_instance (
    series_id bigint not null references performed_series,
    sop_uid text not null,
    sop_class text not null,
    primary key (series_id, sop_uid)
);

--   IN PROGRESS ─set─► IN PROGRESS ─complete─► COMPLETED
--                                  ─discontinue─► DISCONTINUED
--
-- A state changes in performed_step_move() and nowhere else; a final one never.
create table performed_step_transition (
    state text not null,
    event text not null,
    next_state text not null,
    primary key (state, event)
);
insert into performed_step_transition (state, event, next_state) values
    ('IN PROGRESS', 'set', 'IN PROGRESS'),
    ('IN PROGRESS', 'complete', 'COMPLETED'),
    ('IN PROGRESS', 'discontinue', 'DISCONTINUED');

-- PS3.4 Table F.7.2-1: what the SCU must give at N-CREATE, may change by N-SET, and
-- must have given at the end. 1: with a value; 2: may be empty; 3: may be absent;
-- 0: not to be set. Attributes that are not here are type 3 throughout.
create table performed_attribute (
    parent text not null, -- tag of the sequence; '' = the data set itself
    tag text not null,
    keyword text not null,
    at_create int not null,
    at_set int not null,
    at_end int not null,
    primary key (parent, tag),
    constraint performed_attribute_types check (at_create in (1, 2, 3) and at_set in (0, 1, 2, 3)
        and at_end in (1, 2, 3))
);
insert into performed_attribute (parent, tag, keyword, at_create, at_set, at_end) values
    ('', '00080060', 'Modality', 1, 0, 3),
    ('', '00081032', 'ProcedureCodeSequence', 2, 3, 3),
    ('', '00081120', 'ReferencedPatientSequence', 2, 0, 3),
    ('', '00100010', 'PatientName', 2, 0, 3),
    ('', '00100020', 'PatientID', 2, 0, 3),
    ('', '00100030', 'PatientBirthDate', 2, 0, 3),
    ('', '00100040', 'PatientSex', 2, 0, 3),
    ('', '00200010', 'StudyID', 2, 0, 3),
    ('', '00400241', 'PerformedStationAETitle', 1, 0, 3),
    ('', '00400242', 'PerformedStationName', 2, 0, 3),
    ('', '00400243', 'PerformedLocation', 2, 0, 3),
    ('', '00400244', 'PerformedProcedureStepStartDate', 1, 0, 3),
    ('', '00400245', 'PerformedProcedureStepStartTime', 1, 0, 3),
    ('', '00400250', 'PerformedProcedureStepEndDate', 2, 3, 1),
    ('', '00400251', 'PerformedProcedureStepEndTime', 2, 3, 1),
    ('', '00400252', 'PerformedProcedureStepStatus', 1, 3, 1),
    ('', '00400253', 'PerformedProcedureStepID', 1, 0, 3),
    ('', '00400254', 'PerformedProcedureStepDescription', 2, 3, 3),
    ('', '00400255', 'PerformedProcedureTypeDescription', 2, 3, 3),
    ('', '00400260', 'PerformedProtocolCodeSequence', 2, 3, 3),
    ('', '00400270', 'ScheduledStepAttributesSequence', 1, 0, 3),
    ('', '00400280', 'CommentsOnThePerformedProcedureStep', 3, 3, 3),
    ('', '00400281', 'PerformedProcedureStepDiscontinuationReasonCodeSequence', 3, 3, 3),
    ('', '00400340', 'PerformedSeriesSequence', 2, 3, 1),
    ('00400270', '0020000D', 'StudyInstanceUID', 1, 0, 3),
    ('00400340', '0020000E', 'SeriesInstanceUID', 1, 1, 1),
    ('00400340', '00181030', 'ProtocolName', 1, 1, 1),
    ('00081140', '00081150', 'ReferencedSOPClassUID', 1, 1, 1),
    ('00081140', '00081155', 'ReferencedSOPInstanceUID', 1, 1, 1),
    ('00400220', '00081150', 'ReferencedSOPClassUID', 1, 1, 1),
    ('00400220', '00081155', 'ReferencedSOPInstanceUID', 1, 1, 1);

-- The first thing of type 1 that is missing, as a reply; null when nothing is.
-- DEVIATION (PS3.4 F.7.2.1.2): an attribute of type 2 that is missing counts as
-- created empty, since many devices leave it out and their steps are still true.
create function performed_missing(p jsonb, p_parent text, p_when text) returns jsonb
language plpgsql stable as
$$
declare
    r record;
    v_item jsonb;
    v_fault jsonb;
begin
    for r in select *, case p_when when 'create' then at_create when 'set' then at_set else at_end end as type
        from performed_attribute where parent = p_parent order by tag loop
        if r.type = 1 and not p ? r.tag then
            return dimse_reply(x'0120'::int, r.keyword || ' is missing', array[r.tag]);
        elsif r.type = 1 and coalesce(p -> r.tag -> 'Value' ->> 0, '') = '' then
            return dimse_reply(x'0121'::int, r.keyword || ' has no value', array[r.tag]);
        elsif r.keyword like '%UID' and dicom_text(p, r.tag) !~ '^[0-9.]{1,64}$' then
            return dimse_reply(x'0106'::int, r.keyword || ' is no UID', array[r.tag]);
        end if;
    end loop;
    for r in select distinct parent from performed_attribute where parent <> '' and p ? parent loop
        for v_item in select dicom_items(p, r.parent) loop
            v_fault := coalesce(v_fault, performed_missing(v_item, r.parent, p_when));
        end loop;
    end loop;
    return v_fault;
end $$;

-- The one setter of performed_step.state.
create function performed_step_move(s performed_step, p_event text, p_content jsonb) returns performed_step
language plpgsql as
$$
declare
    v performed_step;
begin
    update performed_step x set state = t.next_state, content = p_content,
        state_at = case when t.next_state = x.state then x.state_at else now() end,
        ended_at = case when t.next_state <> 'IN PROGRESS' then now() end
    from performed_step_transition t
    where x.id = s.id and t.state = x.state and t.event = p_event
    returning x.* into strict v;
    perform audit_write('mpps_' || p_event, 'performed_step', v.id, jsonb_build_object('device', v.device_id));
    return v;
end $$;

-- Series and instances as the step lists them now.
create function performed_lists(s performed_step) returns void language plpgsql as
$$
declare
    v_series jsonb;
    v_id bigint;
begin
    delete from performed_instance i using performed_series r where r.id = i.series_id and r.step_id = s.id;
    delete from performed_series where step_id = s.id;
    for v_series in select dicom_items(s.content, '00400340') loop
        insert into performed_series (step_id, series_uid, protocol, description)
        values (s.id, dicom_text(v_series, '0020000E'), dicom_text(v_series, '00181030'),
            dicom_text(v_series, '0008103E'))
        on conflict (step_id, series_uid) do update set protocol = excluded.protocol
        returning id into v_id;
        insert into performed_instance (series_id, sop_uid, sop_class)
        select v_id, dicom_text(o, '00081155'), dicom_text(o, '00081150')
        from (values ('00081140'), ('00400220')) t(tag), dicom_items(v_series, t.tag) o
        on conflict do nothing;
    end loop;
end $$;

-- The orders that a step works on, by their study or their accession number. One step given
-- up while another of the same study goes on ends none; and a step that begins works on
-- its order, also when one before it was given up.
create function performed_orders(s performed_step, p_event text) returns void language plpgsql as
$$
declare
    v_order bigint;
begin
    if p_event = 'discontinue' and exists (select from performed_study a
            join performed_study b on b.study_uid = a.study_uid and b.centre_id = a.centre_id
            join performed_step x on x.id = b.step_id
            where a.step_id = s.id and x.state = 'IN PROGRESS') then
        return;
    end if;
    for v_order in select id from exam_order
        where centre_id = s.centre_id and (
            study_uid in (select dicom_text(i, '0020000D') from dicom_items(s.content, '00400270') i)
            or accession in (select dicom_text(i, '00080050') from dicom_items(s.content, '00400270') i))
        order by id loop
        perform order_progress(v_order, case when p_event = 'start' and state = 'cancelled' then 'restart'
            else p_event end) from exam_order where id = v_order;
    end loop;
end $$;

-- N-CREATE (PS3.4 F.7.2.1): {"status", …, "uid"}.
create function mpps_create(p_centre bigint, p_device bigint, p_uid text, p jsonb) returns jsonb
language plpgsql security definer set search_path = public as
$$
declare
    v_fault jsonb := performed_missing(p, '', 'create');
    s performed_step;
begin
    if p_uid !~ '^[0-9.]{0,64}$' then
        return dimse_reply(x'0117'::int, 'the SOP Instance UID is no UID');
    elsif v_fault is not null then
        return v_fault;
    elsif dicom_text(p, '00400252') <> 'IN PROGRESS' then
        return dimse_reply(x'0106'::int, 'a step is created IN PROGRESS', array['00400252']);
    end if;
    -- PS3.7 10.1.5.1.4: without a UID it is ours to give
    insert into performed_step (centre_id, device_id, sop_uid, content, accession)
    select p_centre, p_device, coalesce(nullif(p_uid, ''), uid_new()), p,
        (select dicom_text(i, '00080050') from dicom_items(p, '00400270') i limit 1)
    on conflict (sop_uid, centre_id) do nothing returning * into s;
    if s.id is null then
        return dimse_reply(x'0111'::int, 'a step with this UID was created before');
    end if;
    insert into performed_study (step_id, centre_id, study_uid)
    select distinct s.id, p_centre, dicom_text(i, '0020000D') from dicom_items(p, '00400270') i;
    perform performed_lists(s), audit_write('mpps_create', 'performed_step', s.id,
        jsonb_build_object('device', p_device)), performed_orders(s, 'start'), evidence_of_steps(s);
    return dimse_reply(0) || jsonb_build_object('uid', s.sop_uid);
end $$;

-- An attribute that this N-SET may not carry: null when there is none.
create function performed_not_to_set(s performed_step, p jsonb) returns jsonb language plpgsql stable as
$$
declare
    v record;
begin
    select k.tag, a.at_set into v from jsonb_object_keys(p) k(tag)
        left join performed_attribute a on a.parent = '' and a.tag = k.tag
    where k.tag <> '00080005' and (a.at_set = 0
        -- DEVIATION: type 2 counts as created, see performed_missing
        or coalesce(a.at_create, 3) = 3 and not s.content ? k.tag)
    order by 1 limit 1;
    if v.tag is null then
        return null;
    end if;
    return dimse_reply(x'0105'::int, case when v.at_set = 0 then 'an attribute that may not be set'
        else 'an attribute that was not created' end, array[v.tag]);
end $$;

-- N-SET (PS3.4 F.7.2.2).
create function mpps_set(p_centre bigint, p_device bigint, p_uid text, p jsonb) returns jsonb
language plpgsql security definer set search_path = public as
$$
declare
    s performed_step;
    v_event text;
    v_content jsonb;
    v_fault jsonb;
begin
    select * into s from performed_step where sop_uid = p_uid and centre_id = p_centre for update;
    if s.id is null then
        return dimse_reply(x'0112'::int, 'no step with this UID was created');
    elsif s.state <> 'IN PROGRESS' then
        -- PS3.4 F.7.2.2.4
        return dimse_reply(x'0110'::int, 'Performed Procedure Step Object may no longer be updated',
            null, x'A710'::int);
    end if;
    if p ? '00400252' and dicom_text(p, '00400252') is null then
        -- a device that sets nothing takes its step for ended
        return dimse_reply(x'0121'::int, 'PerformedProcedureStepStatus has no value', array['00400252']);
    end if;
    v_event := case coalesce(dicom_text(p, '00400252'), 'IN PROGRESS') when 'IN PROGRESS' then 'set'
        when 'COMPLETED' then 'complete' when 'DISCONTINUED' then 'discontinue' end;
    if v_event is null then
        return dimse_reply(x'0106'::int, 'this is no status of a step', array['00400252']);
    end if;
    v_content := s.content || p;
    v_fault := coalesce(performed_not_to_set(s, p), performed_missing(p, '', 'set'),
        case when v_event <> 'set' then performed_missing(v_content, '', 'end') end);
    if v_fault is not null then
        return v_fault;
    end if;
    s := performed_step_move(s, v_event, v_content);
    perform performed_lists(s), evidence_of_steps(s);
    if v_event <> 'set' then
        perform performed_orders(s, case v_event when 'complete' then 'finish' else v_event end);
    end if;
    return dimse_reply(0);
end $$;

-- ---------------------------------------------------------------- evidence

-- What a study should hold, by the best evidence there is. expected of the
-- objects are listed, present of those have come; open: a step is still IN PROGRESS,
-- so that what it will list is not known yet. counted: the sender has told only how
-- many there are, and every object counts.
create table evidence (
    id bigint generated always as identity primary key,
    centre_id bigint not null references organisation,
    study_uid text not null,
    kind text not null,
    open boolean not null default false,
    counted int,
    expected int not null default 0,
    present int not null default 0,
    at timestamptz not null default now(),
    weighed_at timestamptz not null default now(),
    constraint evidence_study_unique unique (study_uid, centre_id),
    constraint evidence_kind_known check (kind in ('mpps', 'commitment', 'manifest')),
    constraint evidence_counted_manifest check (counted is null or kind = 'manifest' and counted > 0)
);
create table evidence_object (
    evidence_id bigint not null references evidence,
    sop_uid text not null,
    primary key (evidence_id, sop_uid)
);

create function evidence_exam(p_centre bigint, p_study_uid text) returns exam language plpgsql as
$$
declare
    e exam;
begin
    select x.* into e from exam x join study s on s.id = x.study_id
    where s.study_uid = p_study_uid and s.centre_id = p_centre for update of x;
    return e;
end $$;

-- Counts anew, and completes the exam when all is there. A commitment request may
-- be one of several, so that exam waits for a moment of quiet besides: see
-- exam_complete_due().
create function evidence_weigh(p_id bigint, e exam) returns void language plpgsql as
$$
declare
    v evidence;
begin
    update evidence x set weighed_at = now(), present = (
        select count(*) from instance i
        where i.study_id = e.study_id and i.variant = 0 and not i.own and (x.counted is not null
            or exists (select from evidence_object o where o.evidence_id = x.id and o.sop_uid = i.sop_uid)))
    where id = p_id returning * into v;
    if v.open or e.id is null or e.state = 'withdrawn' then
        return;
    end if;
    if e.state <> 'arriving' then
        update exam set expected = v.expected,
            grade = case when v.present >= v.expected then v.kind else 'given_up' end
        where id = e.id and (grade <> 'single' or v.kind = 'manifest');
    elsif v.present >= v.expected and v.kind <> 'commitment' then
        perform exam_complete(e, v.kind, v.expected);
    end if;
end $$;

-- Lists objects as evidence of this kind: as the whole list, or beside those that
-- are listed already. A worse kind than what there is changes nothing.
create function evidence_note(p_centre bigint, p_study_uid text, p_kind text, p_open boolean,
    p_add boolean, p_uids text[], p_count int default null) returns void language plpgsql as
$$
declare
    v_best text[] := array['mpps', 'commitment', 'manifest'];
    e exam := evidence_exam(p_centre, p_study_uid);
    v_id bigint;
begin
    insert into evidence as v (centre_id, study_uid, kind, open) values (p_centre, p_study_uid, p_kind, p_open)
    on conflict (study_uid, centre_id) do update set kind = p_kind, open = p_open, at = now(),
            counted = case when p_kind = 'manifest' then v.counted end
        where array_position(v_best, p_kind) <= array_position(v_best, v.kind)
    returning id into v_id;
    if v_id is null then
        return;
    end if;
    if not p_add then
        delete from evidence_object where evidence_id = v_id;
    end if;
    insert into evidence_object (evidence_id, sop_uid) select v_id, unnest(p_uids) on conflict do nothing;
    update evidence set counted = greatest(counted, p_count),
        expected = greatest(counted, p_count, (select count(*) from evidence_object where evidence_id = v_id))
    where id = v_id;
    perform evidence_weigh(v_id, e);
end $$;

-- All steps of a study are over and none lists an object: done as it is.
create function evidence_without_list(s performed_step, p_study_uid text) returns void
language plpgsql as
$$
declare
    e exam := evidence_exam(s.centre_id, p_study_uid);
begin
    delete from evidence_object o using evidence v
    where v.id = o.evidence_id and v.study_uid = p_study_uid and v.centre_id = s.centre_id and v.kind = 'mpps';
    delete from evidence where study_uid = p_study_uid and centre_id = s.centre_id and kind = 'mpps';
    if e.state = 'arriving' and s.state = 'DISCONTINUED' then
        if e.objects = 0 then
            perform exam_move(e, 'withdraw', jsonb_build_object('reason', 'MPPS DISCONTINUED'));
        else
            perform exam_complete(e, 'mpps');
        end if;
    end if;
end $$;

create function performed_shared(p_step bigint) returns boolean language sql stable as
$$ select count(*) > 1 from performed_study where step_id = p_step $$;

-- Does a study of the centre have this series?
create function performed_has(p_centre bigint, p_study_uid text, p_series_uid text) returns boolean
language sql stable as
$$
    select exists (select from study t join series q on q.study_id = t.id
        where t.study_uid = p_study_uid and t.centre_id = p_centre and q.series_uid = p_series_uid)
$$;

-- Does the step, which belongs to several studies, list objects of a series that none of them
-- has yet? PS3.3 C.4.14 says of no series to which study it belongs; its objects do.
create function performed_unclear(p_step bigint) returns boolean language sql stable as
$$
    select performed_shared(p_step) and exists (select from performed_series r
        where r.step_id = p_step and exists (select from performed_instance i where i.series_id = r.id)
            and not exists (select from performed_study y
                where y.step_id = p_step and performed_has(y.centre_id, y.study_uid, r.series_uid)))
$$;

-- A step was created or set. Its list is that of its study; where it belongs to several, each has
-- the series of which objects have come, and all wait until that is known of every series.
create function evidence_of_steps(s performed_step) returns void language plpgsql as
$$
declare
    v_study text;
    v_open boolean;
    v_uids text[];
begin
    for v_study in select study_uid from performed_study where step_id = s.id order by 1 loop
        select bool_or(p.state = 'IN PROGRESS' or performed_unclear(p.id)) into v_open
        from performed_study x join performed_step p on p.id = x.step_id
        where x.study_uid = v_study and x.centre_id = s.centre_id;
        select array_agg(distinct i.sop_uid) into v_uids
        from performed_study x join performed_series r on r.step_id = x.step_id
            join performed_instance i on i.series_id = r.id
        where x.study_uid = v_study and x.centre_id = s.centre_id
            and (not performed_shared(x.step_id) or performed_has(s.centre_id, v_study, r.series_uid));
        if v_open or v_uids is not null then
            perform evidence_note(s.centre_id, v_study, 'mpps', v_open, false, v_uids);
        else
            perform evidence_without_list(s, v_study);
        end if;
    end loop;
end $$;

-- What a sender says its studies hold, in the form that ingest/ingest_manifest.c has
-- checked: {"studies": [{"study_uid", "instances": [UID …] or "count": n}]}. In one order,
-- so that two manifests cannot block each other. What stands there then.
create function manifest_take(p_centre bigint, p jsonb) returns jsonb
language plpgsql security definer set search_path = public as
$$
declare
    r record;
    v jsonb := '[]';
begin
    for r in select x ->> 'study_uid' as study_uid, (x ->> 'count')::int as count,
            array(select jsonb_array_elements_text(coalesce(x -> 'instances', '[]'))) as uids
        from jsonb_array_elements(p -> 'studies') x order by 1 loop
        perform evidence_note(p_centre, r.study_uid, 'manifest', false, true, r.uids, r.count);
        v := v || (select jsonb_build_object('study_uid', r.study_uid, 'expected', k.expected,
                'present', k.present, 'evidence', k.kind,
                'exam', (select x.id from exam x join study s on s.id = x.study_id
                    where s.study_uid = r.study_uid and s.centre_id = p_centre))
            from evidence k where k.study_uid = r.study_uid and k.centre_id = p_centre);
    end loop;
    return jsonb_build_object('studies', v);
end $$;

-- The same for the person who asks, of a centre.
create function manifest_put(p jsonb) returns jsonb
language sql security definer set search_path = public as
$$ select manifest_take((upload_permit() ->> 'centre_id')::bigint, p) $$;

-- Has the sender said that this study is more than one file?
create function manifest_covers(p_centre bigint, p_study_uid text) returns boolean language sql stable as
$$
    select exists (select from evidence v
        where v.study_uid = p_study_uid and v.centre_id = p_centre and v.kind = 'manifest')
$$;

-- New instances: who inserts them calls this. A trigger for each statement would
-- do it by itself, but what reads a transition table is planned every time. Nothing
-- is counted for studies without evidence, and nothing anew before the last
-- listed object is there.
create function evidence_grew(p_instances bigint[]) returns void language plpgsql as
$$
declare
    r record;
    v evidence;
begin
    for r in
        select k.id, s.centre_id, s.study_uid,
            case when k.counted is null then count(o.sop_uid) else count(*) end as n
        from instance a join study s on s.id = a.study_id
            join evidence k on k.study_uid = s.study_uid and k.centre_id = s.centre_id and not k.open
            left join evidence_object o on o.evidence_id = k.id and o.sop_uid = a.sop_uid
        where a.id = any (p_instances) and a.variant = 0 and not a.own
        group by 1, 2, 3 order by 3, 2 loop
        update evidence set present = present + r.n where id = r.id returning * into v;
        if v.present >= v.expected then
            perform evidence_weigh(v.id, evidence_exam(r.centre_id, r.study_uid));
        end if;
    end loop;
end $$;

-- Exams that time decides: quiet ones without evidence; those whose listed objects are
-- there, a moment after the last one; and those given up at the device's limit. What has come
-- may also say whose the series of a step are.
create function exam_complete_due() returns int
language plpgsql security definer set search_path = public as
$$
declare
    r record;
    e exam;
    n int := 0;
begin
    for r in select x.id, v.id as evidence, v.kind, v.open, v.expected, v.present >= v.expected as met,
            -- What was written beside the count, in a transaction that began before, is counted now.
            coalesce(v.weighed_at <= x.last_object_at
                + greatest(make_interval(secs => x.quiet_seconds), interval '2 seconds'), false) as stale,
            s.study_uid, s.centre_id,
            v.open and v.kind = 'mpps' and exists (select from performed_study y where y.study_uid = s.study_uid
                and y.centre_id = s.centre_id and performed_shared(y.step_id)) as shared,
            greatest(x.last_object_at, v.at) + make_interval(secs => coalesce(d.limit_seconds, 300)) < now() as late
        from exam x join study s on s.id = x.study_id
            left join evidence v on v.study_uid = s.study_uid and v.centre_id = s.centre_id
            left join device d on d.id = x.device_id
        where x.state = 'arriving'
            and x.last_object_at + make_interval(secs => case when v.kind = 'commitment'
                then least(x.quiet_seconds, 2) else x.quiet_seconds end) < now()
            and (v.id is null or v.weighed_at <= x.last_object_at
                    + greatest(make_interval(secs => x.quiet_seconds), interval '2 seconds')
                or v.kind = 'commitment' and v.present >= v.expected and not v.open and x.objects <= v.expected
                or greatest(x.last_object_at, v.at) + make_interval(secs => coalesce(d.limit_seconds, 300)) < now())
        order by x.id limit 200 for update of x skip locked loop
        select * into e from exam where id = r.id;
        continue when e.state <> 'arriving'; -- with another study of its step
        if r.evidence is null then
            perform exam_complete(e, 'quiet');
        elsif r.met and r.kind = 'commitment' and not r.open and e.objects <= r.expected then
            perform exam_complete(e, 'commitment', r.expected);
        elsif r.stale and r.shared then
            perform evidence_of_steps(p)
            from performed_study y join performed_step p on p.id = y.step_id
            where y.study_uid = r.study_uid and y.centre_id = r.centre_id and performed_shared(p.id);
        elsif r.stale then
            perform evidence_weigh(r.evidence, e);
        elsif r.late then
            perform exam_complete(e, 'given_up', nullif(r.expected, 0));
        end if;
        n := n + 1;
    end loop;
    return n;
end $$;

-- Grade and counts as shown; present counts what is listed, when there is a list.
create function exam_completeness(e exam) returns jsonb
language sql stable security definer set search_path = public as
$$
    select jsonb_build_object('grade', e.grade,
        'expected', coalesce(nullif(v.expected, 0), e.expected),
        'present', case when v.expected > 0 then v.present else e.objects end,
        'evidence', v.kind, 'open', coalesce(v.open, false),
        'missing', (select coalesce(jsonb_agg(m.sop_uid), '[]') from (
            select o.sop_uid from evidence_object o
            where o.evidence_id = v.id and not exists (select from instance i
                where i.sop_uid = o.sop_uid and i.centre_id = e.centre_id)
            order by 1 limit 100) m),
        'steps', (select coalesce(jsonb_agg(jsonb_build_object('uid', p.sop_uid, 'state', p.state,
                'state_at', p.state_at) order by p.id), '[]')
            from performed_study x join performed_step p on p.id = x.step_id
            where x.study_uid = s.study_uid and x.centre_id = s.centre_id))
    from study s left join evidence v on v.study_uid = s.study_uid and v.centre_id = s.centre_id
    where s.id = e.study_id
$$;

-- ---------------------------------------------------------------- storage commitment

-- A device asks whether it may delete its copies (PS3.4 J). The store is looked
-- at by a job; what it found is told on the association that asked, or on a new
-- one to the device's callback address, until the device has answered. Its list stays with
-- the row, so that the N-ACTION is answered after one insert, however long the list is;
-- the job looks at what is in it. failures: as the list, Failure Reasons (PS3.3
-- C.14.1.1), null = committed; not there before it was checked.
create table commitment (
    id bigint generated always as identity primary key,
    centre_id bigint not null references organisation,
    device_id bigint not null references device,
    transaction_uid text not null,
    sop_classes text[] not null,
    sop_uids text[] not null,
    failures int[],
    state text not null default 'checking',
    state_at timestamptz not null default now(),
    attempts int not null default 0,
    next_at timestamptz not null default now(),
    lease_no bigint not null default 0,
    lease_until timestamptz,
    last_error text,
    created_at timestamptz not null default now(),
    constraint commitment_transaction_unique unique (device_id, transaction_uid),
    constraint commitment_transaction_form check (transaction_uid ~ '^[0-9.]{1,64}$'),
    constraint commitment_state_known check (state in ('checking', 'due', 'sending', 'reported', 'dead')),
    constraint commitment_lease_tied check ((state = 'sending') = (lease_until is not null))
);
create index commitment_due on commitment (device_id, next_at, id) where state in ('checking', 'due', 'sending');

-- n: from 1, without gaps.
create function commitment_items(c commitment)
returns table (n bigint, sop_class text, sop_uid text, failure int) language sql immutable as
$$
    select i.n, i.sop_class, i.sop_uid, i.failure
    from unnest(c.sop_classes, c.sop_uids, c.failures) with ordinality i(sop_class, sop_uid, failure, n)
$$;

-- With what the index knows of each under its UID. Each is looked up by itself (offset 0 keeps it
-- so): a list joined with tables of which little is known may be gone through for each row.
create function commitment_found(c commitment)
returns table (n bigint, asked_class text, failure int, sop_class text, object_id bigint) language sql stable as
$$
    select t.n, t.sop_class, t.failure, i.sop_class, i.object_id
    from commitment_items(c) t left join lateral (select x.sop_class, x.object_id from instance x
        where x.sop_uid = t.sop_uid and x.centre_id = c.centre_id and x.variant = 0 offset 0) i on true
$$;

--   checking ─checked─► due ─send─► sending ─answered─► reported
--   checking ─ask─► sending         sending ─failed│expired─► due
--   due│sending ─give up─► dead
--
-- ask: the association that asked is still open, and is told at once. A state
-- changes in commitment_move() and nowhere else.
create table commitment_transition (
    state text not null,
    event text not null,
    next_state text not null,
    primary key (state, event)
);
insert into commitment_transition (state, event, next_state) values
    ('checking', 'checked', 'due'),
    ('checking', 'ask', 'sending'),
    ('due', 'send', 'sending'),
    ('due', 'give_up', 'dead'),
    ('sending', 'answered', 'reported'),
    ('sending', 'failed', 'due'),
    ('sending', 'expired', 'due'),
    ('sending', 'give_up', 'dead');

-- The one setter of commitment.state. Into sending it takes the lease, any other
-- transition ends it.
create function commitment_move(p_id bigint, p_event text, p_lease_seconds int default null,
    p_error text default null) returns commitment language plpgsql as
$$
declare
    c commitment;
begin
    update commitment x set state = t.next_state, state_at = now(),
        attempts = x.attempts + (t.next_state = 'sending')::int,
        lease_no = x.lease_no + (t.next_state = 'sending')::int,
        lease_until = case when t.next_state = 'sending' then now() + make_interval(secs => p_lease_seconds) end,
        last_error = case when t.next_state <> 'reported' then left(coalesce(p_error, x.last_error), 500) end
    from commitment_transition t
    where x.id = p_id and t.state = x.state and t.event = p_event
    returning x.* into strict c;
    perform audit_write('commitment_' || p_event, 'commitment', c.id,
        jsonb_strip_nulls(jsonb_build_object('device', c.device_id, 'error', p_error)));
    return c;
end $$;

-- Of each, since a regular expression takes twenty times as long.
create function commitment_uids_formed(p_uids text[]) returns boolean language sql immutable as
$$
    select not exists (select from unnest(p_uids) u
        where (length(u) between 1 and 64 and translate(u, '0123456789.', '') = '') is not true)
$$;

-- N-ACTION (PS3.4 J.3.2): kept as it came, and its job begun by who asks: {"status", …, "job"}.
create function commitment_request(p_centre bigint, p_device bigint, p_uid text, p jsonb) returns jsonb
language plpgsql security definer set search_path = public as
$$
declare
    v_id bigint;
    v_job bigint;
    v_classes text[];
    v_uids text[];
begin
    if p_uid <> '1.2.840.10008.1.20.1.1' then
        return dimse_reply(x'0112'::int, 'not the instance of the Storage Commitment Push Model');
    elsif dicom_text(p, '00081195') is null then
        return dimse_reply(x'0115'::int, 'TransactionUID is missing or has no value');
    end if;
    select array_agg(dicom_text(i, '00081150')), array_agg(dicom_text(i, '00081155')) into v_classes, v_uids
    from dicom_items(p, '00081199') i;
    if v_uids is null then
        return dimse_reply(x'0115'::int, 'ReferencedSOPSequence lists no object');
    elsif not commitment_uids_formed(dicom_text(p, '00081195') || v_classes || v_uids) then
        return dimse_reply(x'0115'::int, 'a UID in the request is missing, or is none');
    end if;
    insert into commitment (centre_id, device_id, transaction_uid, sop_classes, sop_uids)
    values (p_centre, p_device, dicom_text(p, '00081195'), v_classes, v_uids)
    on conflict (device_id, transaction_uid) do nothing returning id into v_id;
    if v_id is null then
        return dimse_reply(x'0131'::int, 'this Transaction UID was used before');
    end if;
    insert into job (kind, subject_id, priority, state, owner, lease_until)
    values ('commitment', v_id, 'urgent', 'running', job_owner(), now() + interval '1 minute') returning id into v_job;
    perform audit_write('commitment_request', 'commitment', v_id, jsonb_build_object('device', p_device));
    return dimse_reply(0) || jsonb_build_object('job', jsonb_build_object('id', v_job, 'subject', v_id, 'attempt', 1));
end $$;

-- For each item what the index knows of it.
create function commitment_input(c commitment) returns jsonb language sql stable as
$$
    select jsonb_agg(jsonb_strip_nulls(jsonb_build_object('n', f.n, 'asked_class', f.asked_class,
        'sop_class', f.sop_class, 'location', o.location, 'size', o.size, 'sha256', encode(o.sha256, 'hex')))
        order by f.n)
    from commitment_found(c) f left join object o on o.id = f.object_id
$$;

-- The check begins, perhaps not for the first time: what is listed twice is taken once, and
-- the list is evidence. What the check needs, or null when it is over.
create function commitment_begin(p_id bigint) returns jsonb
language plpgsql security definer set search_path = public as
$$
declare
    c commitment;
begin
    select * into c from commitment where id = p_id and state = 'checking' for update;
    if not found then
        delete from job where kind = 'commitment' and subject_id = p_id;
        return null;
    end if;
    select array_agg(x.sop_class order by x.n), array_agg(x.sop_uid order by x.n) into c.sop_classes, c.sop_uids
    from (select min(t.n) as n, t.sop_class, t.sop_uid from commitment_items(c) t group by 2, 3) x;
    update commitment set sop_classes = c.sop_classes, sop_uids = c.sop_uids
    where id = p_id and cardinality(sop_uids) > cardinality(c.sop_uids);
    perform evidence_of_commitment(c);
    return commitment_input(c);
end $$;

-- What the report needs; the called title is the one that the device calls us by.
create function commitment_report(c commitment) returns jsonb language sql stable as
$$
    select jsonb_build_object('id', c.id, 'lease', c.lease_no, 'attempt', c.attempts,
        'transaction', c.transaction_uid, 'aet', d.aet, 'called', d.called,
        'host', d.callback_host, 'port', d.callback_port,
        'items', (select jsonb_agg(jsonb_build_object('sop_class', t.sop_class, 'sop_uid', t.sop_uid,
            'failure', t.failure) order by t.n) from commitment_items(c) t))
    from device d where d.id = c.device_id
$$;

-- The store was looked at: p_failures has a Failure Reason or null per item, p_locations where
-- it was looked for. With
-- p_lease_seconds the caller reports at once and gets the report. {"again"}: an object that was not
-- found has another place now, since it came again meanwhile; all is to be looked at once more.
create function commitment_checked(p_job bigint, p_id bigint, p_failures int[], p_locations text[], p_lease_seconds int)
returns jsonb language plpgsql security definer set search_path = public as
$$
declare
    c commitment;
begin
    select * into c from commitment where id = p_id and state = 'checking' for update;
    if not found then
        delete from job where id = p_job;
        return null;
    end if;
    c.failures := p_failures;
    -- Locked, so that what is marked below is what was looked at.
    perform from object o where o.id in (select f.object_id from commitment_found(c) f) order by o.id for update;
    if exists (select from commitment_found(c) f join object o on o.id = f.object_id
            join unnest(p_locations) with ordinality l(location, n) on l.n = f.n
        where f.failure = x'0110'::int and o.location <> l.location) then
        return jsonb_build_object('again', commitment_input(c));
    end if;
    delete from job where id = p_job;
    update commitment set failures = c.failures where id = p_id;
    -- The device will send them again.
    perform object_damage(array(select f.object_id from commitment_found(c) f
        where f.failure = x'0110'::int and f.object_id is not null));
    if p_lease_seconds is null then
        perform commitment_move(p_id, 'checked');
        return null;
    end if;
    return commitment_report(commitment_move(p_id, 'ask', p_lease_seconds));
end $$;

-- The association that asked, which was busy when the check ended, waits now: its report, if
-- nobody else has begun to tell it.
create function commitment_tell(p_id bigint, p_lease_seconds int) returns jsonb
language plpgsql security definer set search_path = public as
$$
begin
    perform from commitment where id = p_id and state = 'due' for update;
    return case when found then commitment_report(commitment_move(p_id, 'send', p_lease_seconds)) end;
end $$;

-- Reports that are due, one at a time to each device. What cannot be reported is
-- given up: after 30 attempts, or after a week without a callback address.
create function commitment_claim(p_limit int, p_lease_seconds int) returns jsonb
language plpgsql security definer set search_path = public as
$$
declare
    c commitment;
    v_devices bigint[];
    v jsonb := '[]';
begin
    for c in select x.* from commitment x join job j on j.kind = 'commitment' and j.subject_id = x.id
        where x.state = 'checking' and j.state = 'quarantined' for update of x skip locked loop
        update commitment set failures = array_fill(x'0110'::int, array[cardinality(sop_uids)]) where id = c.id;
        delete from job where kind = 'commitment' and subject_id = c.id;
        perform commitment_move(c.id, 'checked', null, 'the check did not come to an end');
    end loop;
    for c in select * from commitment where state = 'sending' and lease_until < now()
        for update skip locked loop
        perform commitment_move(c.id, 'expired', null, 'no answer in time');
    end loop;
    for c in select x.* from commitment x join device d on d.id = x.device_id
        where x.state = 'due' and (x.attempts >= 30
            or d.callback_host is null and x.created_at < now() - interval '7 days')
        for update of x skip locked loop
        perform commitment_move(c.id, 'give_up', null, coalesce(c.last_error, 'the device has no callback address'));
    end loop;
    -- First the devices, so that nobody else claims for them; then, with what those did who had
    -- them before, the first of each.
    v_devices := array(select d.id from device d
        where d.callback_host is not null
            and d.id in (select device_id from commitment where state = 'due' and next_at <= now())
        for no key update of d skip locked);
    for c in select f.* from unnest(v_devices) d(id) cross join lateral (
                select x.* from commitment x
                where x.device_id = d.id and x.state = 'due' and x.next_at <= now()
                order by x.next_at, x.id limit 1 for update skip locked) f
        where not exists (select from commitment y where y.device_id = d.id and y.state = 'sending')
        order by f.next_at, f.id limit p_limit loop
        v := v || commitment_report(commitment_move(c.id, 'send', p_lease_seconds));
    end loop;
    return v;
end $$;

-- The device has answered (p_error null), or not. A lease that is not the newest
-- changes nothing.
create function commitment_done(p_id bigint, p_lease bigint, p_error text, p_retry_min int, p_retry_max int)
returns void language plpgsql security definer set search_path = public as
$$
begin
    perform from commitment where id = p_id and lease_no = p_lease and state = 'sending' for update;
    if not found then
        return;
    end if;
    perform commitment_move(p_id, case when p_error is null then 'answered' else 'failed' end, null, p_error);
    update commitment set next_at = now() + make_interval(secs => least(p_retry_max::double precision,
        p_retry_min * power(2, least(attempts - 1, 20)))) where id = p_id;
end $$;

-- A request lists objects of studies that are here; what has not come counts
-- for the study when there is only one. A request for one object says nothing about
-- how many there are.
create function evidence_of_commitment(c commitment) returns void language plpgsql as
$$
declare
    v_study record;
    v_studies bigint[];
begin
    if cardinality(c.sop_uids) < 2 then
        return;
    end if;
    v_studies := array(select distinct i.study_id from commitment_items(c) t cross join lateral (
        select x.study_id from instance x where x.sop_uid = t.sop_uid and x.centre_id = c.centre_id offset 0) i);
    for v_study in select s.id, s.study_uid from study s where s.id = any (v_studies) order by s.study_uid loop
        perform evidence_note(c.centre_id, v_study.study_uid, 'commitment', false, true, (
            select array_agg(distinct t.sop_uid) from commitment_items(c) t
            where cardinality(v_studies) = 1 or exists (select from instance i
                where i.sop_uid = t.sop_uid and i.study_id = v_study.id)));
    end loop;
end $$;

do $$
declare
    t text;
begin
    foreach t in array array['performed_step', 'performed_study', 'performed_series', 'performed_instance',
        'performed_step_transition', 'performed_attribute', 'evidence', 'evidence_object', 'commitment',
        'commitment_transition'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy owner_all on %I to %I using (true) with check (true)',
                       t, current_user);
        execute format('create policy ingest_all on %I for select to rdc_ingest using (true)', t);
        execute format('grant select on %I to rdc_ingest', t);
    end loop;
end $$;
grant execute on function mpps_create(bigint, bigint, text, jsonb), mpps_set(bigint, bigint, text, jsonb),
    manifest_take(bigint, jsonb), exam_complete_due(),
    commitment_request(bigint, bigint, text, jsonb), commitment_begin(bigint),
    commitment_checked(bigint, bigint, int[], text[], int), commitment_tell(bigint, int), commitment_claim(int, int),
    commitment_done(bigint, bigint, text, int, int) to rdc_ingest;
grant execute on function exam_completeness(exam), manifest_put(jsonb) to rdc_api;
