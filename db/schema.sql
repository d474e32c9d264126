CREATE TYPE public.ingest_row AS (
	n integer,
	study_no integer,
	series_no integer,
	patient_no integer,
	leads boolean,
	brings_series boolean,
	many integer,
	complete boolean,
	urgency text,
	centre_id bigint,
	device_id bigint,
	quiet integer,
	single boolean,
	priority text,
	transfer_syntax text,
	location text,
	sha256 text,
	media text,
	size bigint,
	original jsonb,
	patient_id text,
	patient_name text,
	patient_name_raw text,
	charset text,
	charset_guessed boolean,
	birth_date text,
	sex text,
	study_uid text,
	study_date text,
	study_time text,
	study_id text,
	accession text,
	description text,
	series_uid text,
	modality text,
	series_number integer,
	series_description text,
	body_part text,
	laterality text,
	sop_class text,
	sop_uid text,
	instance_number integer,
	rows integer,
	columns integer,
	frames integer
);
CREATE TABLE public.exam (
    id bigint NOT NULL,
    centre_id bigint NOT NULL,
    study_id bigint NOT NULL,
    line_id bigint,
    hospital_id bigint,
    contract_id bigint,
    device_id bigint,
    state text DEFAULT 'arriving'::text NOT NULL,
    state_at timestamp with time zone DEFAULT now() NOT NULL,
    priority text DEFAULT 'routine'::text NOT NULL,
    lease_no bigint DEFAULT 0 NOT NULL,
    lease_holder bigint,
    lease_expires timestamp with time zone,
    shown_digest bytea,
    author_id bigint,
    reason text,
    last_object_at timestamp with time zone DEFAULT now() NOT NULL,
    quiet_seconds integer DEFAULT 15 NOT NULL,
    grade text,
    expected integer,
    objects integer DEFAULT 0 NOT NULL,
    conflicts jsonb DEFAULT '[]'::jsonb NOT NULL,
    order_id bigint,
    quarantined_at timestamp with time zone,
    due_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT exam_complete_tied CHECK (((state = 'arriving'::text) OR (grade IS NOT NULL) OR (state = ANY (ARRAY['withdrawn'::text, 'writing'::text, 'waiting'::text])))),
    CONSTRAINT exam_grade_known CHECK ((grade = ANY (ARRAY['single'::text, 'quiet'::text, 'mpps'::text, 'commitment'::text, 'manifest'::text, 'given_up'::text]))),
    CONSTRAINT exam_lease_tied CHECK ((((state = ANY (ARRAY['writing'::text, 'reviewing'::text])) = (lease_holder IS NOT NULL)) AND ((lease_holder IS NULL) = (lease_expires IS NULL)))),
    CONSTRAINT exam_priority_known CHECK ((priority = ANY (ARRAY['stat'::text, 'urgent'::text, 'routine'::text]))),
    CONSTRAINT exam_quarantine_tied CHECK (((quarantined_at IS NULL) OR (order_id IS NOT NULL))),
    CONSTRAINT exam_routed_tied CHECK (((state = ANY (ARRAY['arriving'::text, 'unrouted'::text, 'withdrawn'::text])) OR (hospital_id IS NOT NULL))),
    CONSTRAINT exam_state_known CHECK ((state = ANY (ARRAY['arriving'::text, 'unrouted'::text, 'waiting'::text, 'writing'::text, 'written'::text, 'reviewing'::text, 'returned'::text, 'final'::text, 'withdrawn'::text, 'retracted'::text])))
);
ALTER TABLE ONLY public.exam FORCE ROW LEVEL SECURITY;
CREATE TABLE public.instance (
    id bigint NOT NULL,
    centre_id bigint NOT NULL,
    study_id bigint NOT NULL,
    series_id bigint NOT NULL,
    sop_uid text NOT NULL,
    variant integer DEFAULT 0 NOT NULL,
    sop_class text NOT NULL,
    transfer_syntax text NOT NULL,
    number integer,
    rows integer,
    columns integer,
    frames integer,
    object_id bigint NOT NULL,
    original_id bigint,
    own boolean DEFAULT false NOT NULL,
    device_id bigint,
    received_at timestamp with time zone DEFAULT now() NOT NULL,
    metadata json,
    CONSTRAINT instance_uid_form CHECK (((sop_uid ~ '^[0-9.]+$'::text) AND (length(sop_uid) <= 64)))
);
ALTER TABLE ONLY public.instance ALTER COLUMN metadata SET COMPRESSION lz4;
ALTER TABLE ONLY public.instance FORCE ROW LEVEL SECURITY;
CREATE FUNCTION public.advice_check(i public.instance, e public.exam) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
    o exam_order;
    v_metadata jsonb := i.metadata;
    v_modality text := dicom_text(v_metadata, '00080060');
    v jsonb := '{}';
begin
    if i.own or i.variant > 0 or coalesce(v_modality, 'SR') in ('SR', 'KO', 'PR', 'DOC', 'AU') then
        return;
    end if;
    if v_modality in ('CR', 'DX', 'RG', 'MG') then
        v := advice_radiography(v_metadata);
    end if;
    o := exam_order_of(e);
    if o.id is not null then
        v := v || advice_order(o, v_metadata);
        perform advice_views(e, o);
    end if;
    if v <> '{}' then
        insert into exam_advice (exam_id, instance_id, device_id, code, detail)
        select e.id, i.id, i.device_id, key, value from jsonb_each_text(v)
        on conflict on constraint exam_advice_once do nothing;
    end if;
end $$;
CREATE FUNCTION public.advice_damage(p_instance bigint, p_code text, p_why text) RETURNS void
    LANGUAGE sql
    AS $$
    insert into exam_advice (exam_id, instance_id, device_id, code, detail)
    select e.id, i.id, i.device_id, p_code, left(p_why, 500)
    from instance i join exam e on e.study_id = i.study_id
    where i.id = p_instance and not i.own
    on conflict on constraint exam_advice_once do nothing
$$;
CREATE TABLE public.exam_order (
    id bigint NOT NULL,
    centre_id bigint NOT NULL,
    accession text NOT NULL,
    placer_number text,
    placer_issuer text DEFAULT ''::text NOT NULL,
    filler_number text,
    patient_id bigint NOT NULL,
    study_uid text NOT NULL,
    procedure_code text,
    procedure_scheme text,
    description text,
    modality text NOT NULL,
    line_id bigint,
    station text,
    station_name text,
    location text,
    scheduled_at timestamp with time zone NOT NULL,
    priority text DEFAULT 'routine'::text NOT NULL,
    requester text,
    referrer text,
    performer text,
    admission_id text,
    reason text,
    state text DEFAULT 'scheduled'::text NOT NULL,
    state_at timestamp with time zone DEFAULT now() NOT NULL,
    conflicts jsonb DEFAULT '[]'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT exam_order_accession_form CHECK (((accession ~ '^[^\\[:cntrl:]]{1,16}$'::text) AND (accession = btrim(accession)))),
    CONSTRAINT exam_order_admission_form CHECK ((admission_id ~ '^[^\\[:cntrl:]]{1,64}$'::text)),
    CONSTRAINT exam_order_description_form CHECK ((description ~ '^[^\\[:cntrl:]]{1,64}$'::text)),
    CONSTRAINT exam_order_filler_form CHECK ((filler_number ~ '^[^\\[:cntrl:]]{1,64}$'::text)),
    CONSTRAINT exam_order_location_form CHECK ((location ~ '^[^\\[:cntrl:]]{1,16}$'::text)),
    CONSTRAINT exam_order_modality_form CHECK ((modality ~ '^[A-Z0-9_]{1,16}$'::text)),
    CONSTRAINT exam_order_performer_form CHECK ((performer ~ '^[^\\[:cntrl:]]{1,194}$'::text)),
    CONSTRAINT exam_order_placer_form CHECK ((placer_number ~ '^[^\\[:cntrl:]]{1,64}$'::text)),
    CONSTRAINT exam_order_priority_known CHECK ((priority = ANY (ARRAY['stat'::text, 'urgent'::text, 'routine'::text]))),
    CONSTRAINT exam_order_procedure_form CHECK (((procedure_code ~ '^[^\\[:cntrl:]]{1,16}$'::text) AND (COALESCE(procedure_scheme, ''::text) ~ '^[^\\[:cntrl:]]{0,16}$'::text))),
    CONSTRAINT exam_order_reason_form CHECK ((length(reason) <= 2000)),
    CONSTRAINT exam_order_referrer_form CHECK ((referrer ~ '^[^\\[:cntrl:]]{1,194}$'::text)),
    CONSTRAINT exam_order_requester_form CHECK ((requester ~ '^[^\\[:cntrl:]]{1,194}$'::text)),
    CONSTRAINT exam_order_state_known CHECK ((state = ANY (ARRAY['scheduled'::text, 'held'::text, 'started'::text, 'done'::text, 'cancelled'::text]))),
    CONSTRAINT exam_order_station_form CHECK (((station ~ '^[^\\[:cntrl:]]{1,16}$'::text) AND (station = btrim(station)))),
    CONSTRAINT exam_order_station_name_form CHECK ((station_name ~ '^[^\\[:cntrl:]]{1,16}$'::text)),
    CONSTRAINT exam_order_study_form CHECK (((study_uid ~ '^[0-2](\.(0|[1-9][0-9]*))+$'::text) AND (length(study_uid) <= 64)))
);
ALTER TABLE ONLY public.exam_order FORCE ROW LEVEL SECURITY;
COMMENT ON CONSTRAINT exam_order_accession_form ON public.exam_order IS 'the accession number has up to 16 characters, no \ or control characters, and no blanks around it';
COMMENT ON CONSTRAINT exam_order_admission_form ON public.exam_order IS 'the admission number has up to 64 characters, no \ or control characters';
COMMENT ON CONSTRAINT exam_order_description_form ON public.exam_order IS 'the description has up to 64 characters, no \ or control characters';
COMMENT ON CONSTRAINT exam_order_filler_form ON public.exam_order IS 'the filler number has up to 64 characters, no \ or control characters';
COMMENT ON CONSTRAINT exam_order_location_form ON public.exam_order IS 'the location has up to 16 characters, no \ or control characters';
COMMENT ON CONSTRAINT exam_order_modality_form ON public.exam_order IS 'the modality is a code as CT: up to 16 of A-Z, 0-9 and _';
COMMENT ON CONSTRAINT exam_order_performer_form ON public.exam_order IS 'the performer has up to 194 characters, no \ or control characters';
COMMENT ON CONSTRAINT exam_order_placer_form ON public.exam_order IS 'the placer number has up to 64 characters, no \ or control characters';
COMMENT ON CONSTRAINT exam_order_priority_known ON public.exam_order IS 'the priority is stat, urgent or routine';
COMMENT ON CONSTRAINT exam_order_procedure_form ON public.exam_order IS 'the procedure code and its scheme have up to 16 characters each, no \ or control characters';
COMMENT ON CONSTRAINT exam_order_reason_form ON public.exam_order IS 'the reason has up to 2000 characters';
COMMENT ON CONSTRAINT exam_order_referrer_form ON public.exam_order IS 'the referrer has up to 194 characters, no \ or control characters';
COMMENT ON CONSTRAINT exam_order_requester_form ON public.exam_order IS 'the requester has up to 194 characters, no \ or control characters';
COMMENT ON CONSTRAINT exam_order_station_form ON public.exam_order IS 'the station is an AE title: up to 16 characters, no \ or control characters, and no blanks around it';
COMMENT ON CONSTRAINT exam_order_station_name_form ON public.exam_order IS 'the station name has up to 16 characters, no \ or control characters';
COMMENT ON CONSTRAINT exam_order_study_form ON public.exam_order IS 'the Study Instance UID has up to 64 digits and dots, as 1.2.3';
CREATE FUNCTION public.advice_order(o public.exam_order, m jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    AS $$
declare
    v_projection text[] := '{CR,DX,RG}'; -- the same examination on another machine
    v_modality text := dicom_text(m, '00080060');
    v_wanted text[] := body_regions(o.description);
    v_shown text[] := body_regions(dicom_text(m, '00180015'));
    v_left boolean := coalesce(o.description ~* '左|\mleft\M', false);
    v_right boolean := coalesce(o.description ~* '右|\mright\M', false);
    v_side text := dicom_side(m);
    v jsonb := '{}';
begin
    if v_modality <> o.modality and not (v_modality = any (v_projection) and o.modality = any (v_projection)) then
        v := v || jsonb_build_object('order_modality_mismatch', format('%s, not %s', v_modality, o.modality));
    end if;
    if v_wanted <> '{}' and v_shown <> '{}' and not v_wanted && v_shown then
        v := v || jsonb_build_object('order_body_part_mismatch', dicom_text(m, '00180015'));
    end if;
    if v_left <> v_right and not coalesce(o.description ~* '双|\m(both|bilateral)\M', false)
        and v_side in ('L', 'R') and (v_side = 'L') <> v_left then
        v := v || jsonb_build_object('order_laterality_mismatch', v_side);
    end if;
    return v;
end $$;
CREATE FUNCTION public.advice_radiography(m jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    AS $$
declare
    v_part text := upper(dicom_text(m, '00180015'));
    v_index double precision := dicom_number(m, '00181413');
    v_exposure double precision := dicom_number(m, '00181411');
    v_target double precision := dicom_number(m, '00181412');
    v jsonb := '{}';
begin
    if v_part is null and m #> '{00082218,Value,0}' is null then
        v := v || '{"body_part_missing": null}';
    end if;
    -- PS3.16 Annex L: these come in pairs
    if dicom_side(m) is null and (dicom_text(m, '00080060') = 'MG' or v_part in ('ANKLE', 'ARM', 'BREAST',
        'CALCANEUS', 'CLAVICLE', 'ELBOW', 'FEMUR', 'FIBULA', 'FINGER', 'FOOT', 'FOREARM', 'HAND', 'HEEL',
        'HUMERUS', 'KNEE', 'LEG', 'PATELLA', 'RADIUS', 'SCAPULA', 'SHOULDER', 'THIGH', 'THUMB', 'TIBFIB',
        'TIBIA', 'TOE', 'ULNA', 'WRIST')) then
        v := v || jsonb_build_object('laterality_missing', v_part);
    end if;
    -- IEC 62494-1: DI = 10 log10(EI / target); AAPM TG 116, Table III: beyond ±3
    if v_index is null and v_exposure > 0 and v_target > 0 then
        v_index := 10 * log(v_exposure / v_target);
    end if;
    if abs(v_index) > 3 then
        v := v || jsonb_build_object(case when v_index < 0 then 'exposure_low' else 'exposure_high' end,
            'deviation index ' || round(v_index::numeric, 1));
    end if;
    return v;
end $$;
CREATE FUNCTION public.advice_views(e public.exam, o public.exam_order) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
    v_wanted int;
    v_have int;
begin
    select views into v_wanted from view_rule
    where phrase = upper(o.procedure_code) or position(phrase in upper(o.description)) > 0
    order by phrase = upper(o.procedure_code) desc nulls last, length(phrase) desc limit 1;
    select count(*) into v_have from instance i join series r on r.id = i.series_id
    where i.study_id = e.study_id and not i.own and i.variant = 0
        and r.modality in ('CR', 'DX', 'RG', 'MG', 'IO', 'PX');
    if v_have > 0 and v_have < v_wanted and e.state <> 'arriving' then
        insert into exam_advice (exam_id, device_id, code, detail)
        values (e.id, e.device_id, 'views_missing', format('%s of %s', v_have, v_wanted))
        on conflict on constraint exam_advice_once do update set detail = excluded.detail, resolved_at = null;
    elsif v_have >= v_wanted then
        update exam_advice set resolved_at = now()
        where exam_id = e.id and code = 'views_missing' and resolved_at is null;
    end if;
end $$;
CREATE FUNCTION public.audit_read(p_kind text, p_exam bigint) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
    insert into audit (person_id, org_id, action, noun, noun_id)
    select rdc_person(), rdc_org(), p_kind, 'exam', p_exam
    where rdc_person() is not null and not exists (
        select from audit where noun = 'exam' and noun_id = p_exam and action = p_kind
            and person_id = rdc_person() and at > now() - interval '5 minutes')
$$;
CREATE FUNCTION public.audit_write(p_action text, p_noun text, p_id bigint, p_detail jsonb DEFAULT NULL::jsonb) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
    insert into audit (person_id, org_id, action, noun, noun_id, detail)
    values (rdc_person(), rdc_org(), p_action, p_noun, p_id, p_detail)
$$;
CREATE FUNCTION public.body_regions(p_text text) RETURNS text[]
    LANGUAGE sql STABLE
    AS $_$
    select coalesce(array_agg(distinct region), '{}') from body_part_word
    where case when word ~ '^[A-Z]+$' then upper(p_text) ~ ('\m' || word || '\M')
        else position(word in p_text) > 0 end
$_$;
CREATE FUNCTION public.check_centre(i public.instance, e public.exam) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    if exists (select from instance x where x.sop_uid = i.sop_uid and x.centre_id <> i.centre_id and x.id < i.id)
        and not e.conflicts @> jsonb_build_array(jsonb_build_object('cause', 'centre', 'sop_uid', i.sop_uid)) then
        perform ingest_conflict(e, 'centre', jsonb_build_object('sop_uid', i.sop_uid,
            'sha256', (select encode(sha256, 'hex') from object where id = i.object_id)));
    end if;
end $$;
CREATE FUNCTION public.check_conflict(i public.instance, e public.exam, p_shown bytea, p_verdict text, p_why text) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
    v_shown text := encode(p_shown, 'hex');
    v_sha text := (select encode(sha256, 'hex') from object where id = i.object_id);
begin
    if p_verdict <> 'different' then
        e := conflict_note(e, i.sop_uid, v_sha, jsonb_build_object('why', p_why, 'damaged', case p_verdict
            when 'damaged' then jsonb_build_array(v_sha) when 'shown_damaged' then jsonb_build_array(v_shown)
            else jsonb_build_array(v_shown, v_sha) end));
    end if;
    if p_verdict = 'shown_damaged' and not exists (select from jsonb_array_elements(e.conflicts) c
            where c ->> 'sop_uid' = i.sop_uid and (c ? 'resolved' or c ->> 'cause' = 'patient' and c ->> 'sha256' = v_sha)) then
        perform instance_show(i, e);
        insert into exam_event (exam_id, event, from_state, to_state, detail)
        select e.id, 'whole_object', e.state, state, jsonb_build_object('sop_uid', i.sop_uid, 'shown', v_sha,
            'before', v_shown, 'why', p_why) from exam where id = e.id;
    end if;
end $$;
CREATE FUNCTION public.check_done(p jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
declare
    r record;
    i instance;
    e exam;
    v_kept bigint[] := '{}';
begin
    for r in select c.*, x.study
        from jsonb_to_recordset(p) c(job bigint, instance bigint, other text, verdict text, why text) cross join lateral (
            select s.id as study, s.study_uid, t.sop_uid, t.variant
            from instance t join study s on s.id = t.study_id where t.id = c.instance offset 0) x
        order by x.study_uid, x.sop_uid, x.variant loop
        begin
            select * into e from exam where study_id = r.study for update;
            continue when not found;
            select * into i from instance where id = r.instance;
            if not check_one(i, e, r.other, r.verdict, r.why) then
                perform job_put_back(r.job, 'another object is shown by now', 0);
                v_kept := v_kept || r.job;
            end if;
        exception
            when data_exception or integrity_constraint_violation then
                perform job_failed(r.job, 'it cannot be checked: ' || sqlstate, 10);
                v_kept := v_kept || r.job;
        end;
    end loop;
    delete from job where id in (select (c ->> 'job')::bigint from jsonb_array_elements(p) c) and id <> all (v_kept);
end $$;
CREATE FUNCTION public.check_input(p_instance bigint) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    AS $$
begin
    return (select jsonb_strip_nulls(jsonb_build_object('location', o.location, 'other', (
            select b.location from instance x join object b on b.id = x.object_id
            where x.sop_uid = i.sop_uid and x.centre_id = i.centre_id and x.variant = 0 and i.variant > 0
                and x.study_id = i.study_id and not x.own)))
        from instance i join object o on o.id = i.object_id where i.id = p_instance);
end $$;
CREATE FUNCTION public.check_one(i public.instance, e public.exam, p_other text, p_verdict text, p_why text) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
declare
    o object;
begin
    if i.variant > 0 and p_verdict is not null then
        select b.* into o from instance x join object b on b.id = x.object_id
        where x.sop_uid = i.sop_uid and x.centre_id = i.centre_id and x.variant = 0;
        if o.location is distinct from p_other then
            return false;
        elsif p_verdict = 'same' then
            perform check_same(i, e);
        else
            perform check_conflict(i, e, o.sha256, p_verdict, p_why);
        end if;
    end if;
    perform check_centre(i, e);
    perform advice_check(i, e);
    return true;
end $$;
CREATE FUNCTION public.check_same(i public.instance, e public.exam) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
    v_sha text := (select encode(sha256, 'hex') from object where id = i.object_id);
begin
    update exam set conflicts = (select coalesce(jsonb_agg(c order by n), '[]')
        from jsonb_array_elements(conflicts) with ordinality x(c, n)
        where not (c ->> 'cause' = 'content' and c ->> 'sop_uid' = i.sop_uid and c ->> 'sha256' = v_sha))
    where id = e.id;
    insert into exam_event (exam_id, event, from_state, to_state, detail)
    values (e.id, 'same_object', e.state, e.state, jsonb_build_object('sop_uid', i.sop_uid,
        'transfer_syntax', i.transfer_syntax, 'variant', i.variant));
end $$;
CREATE FUNCTION public.check_wanted(p_instances bigint[]) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
declare
    v bigint[] := array(select i.id
        from instance i join series r on r.id = i.series_id join study s on s.id = i.study_id
            join exam e on e.study_id = i.study_id
        where i.id = any (p_instances) and i.metadata is not null and not i.own
            and (i.variant > 0 or r.modality in ('CR', 'DX', 'RG', 'MG') or e.order_id is not null
                or exists (select from exam_order o where o.centre_id = s.centre_id and o.study_uid = s.study_uid)
                or exists (select from exam_order o where o.centre_id = s.centre_id and o.accession = s.accession)
                or exists (select from instance x where x.sop_uid = i.sop_uid and x.centre_id <> i.centre_id)));
begin
    if v <> '{}' then
        insert into job (kind, subject_id, priority)
        select 'check', i.id, e.priority from instance i join exam e on e.study_id = i.study_id
        where i.id = any (v)
        on conflict do nothing;
    end if;
    return v <> '{}';
end $$;
CREATE FUNCTION public.commitment_begin(p_id bigint) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
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
CREATE FUNCTION public.commitment_checked(p_job bigint, p_id bigint, p_failures integer[], p_locations text[], p_lease_seconds integer) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
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
CREATE FUNCTION public.commitment_claim(p_limit integer, p_lease_seconds integer) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
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
CREATE FUNCTION public.commitment_done(p_id bigint, p_lease bigint, p_error text, p_retry_min integer, p_retry_max integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
begin
    perform from commitment where id = p_id and lease_no = p_lease and state = 'sending' for update;
    if not found then
        return;
    end if;
    perform commitment_move(p_id, case when p_error is null then 'answered' else 'failed' end, null, p_error);
    update commitment set next_at = now() + make_interval(secs => least(p_retry_max::double precision,
        p_retry_min * power(2, least(attempts - 1, 20)))) where id = p_id;
end $$;
CREATE TABLE public.commitment (
    id bigint NOT NULL,
    centre_id bigint NOT NULL,
    device_id bigint NOT NULL,
    transaction_uid text NOT NULL,
    sop_classes text[] NOT NULL,
    sop_uids text[] NOT NULL,
    failures integer[],
    state text DEFAULT 'checking'::text NOT NULL,
    state_at timestamp with time zone DEFAULT now() NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    next_at timestamp with time zone DEFAULT now() NOT NULL,
    lease_no bigint DEFAULT 0 NOT NULL,
    lease_until timestamp with time zone,
    last_error text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT commitment_lease_tied CHECK (((state = 'sending'::text) = (lease_until IS NOT NULL))),
    CONSTRAINT commitment_state_known CHECK ((state = ANY (ARRAY['checking'::text, 'due'::text, 'sending'::text, 'reported'::text, 'dead'::text]))),
    CONSTRAINT commitment_transaction_form CHECK ((transaction_uid ~ '^[0-9.]{1,64}$'::text))
);
ALTER TABLE ONLY public.commitment FORCE ROW LEVEL SECURITY;
CREATE FUNCTION public.commitment_found(c public.commitment) RETURNS TABLE(n bigint, asked_class text, failure integer, sop_class text, object_id bigint)
    LANGUAGE sql STABLE
    AS $$
    select t.n, t.sop_class, t.failure, i.sop_class, i.object_id
    from commitment_items(c) t left join lateral (select x.sop_class, x.object_id from instance x
        where x.sop_uid = t.sop_uid and x.centre_id = c.centre_id and x.variant = 0 offset 0) i on true
$$;
CREATE FUNCTION public.commitment_input(c public.commitment) RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
    select jsonb_agg(jsonb_strip_nulls(jsonb_build_object('n', f.n, 'asked_class', f.asked_class,
        'sop_class', f.sop_class, 'location', o.location, 'size', o.size, 'sha256', encode(o.sha256, 'hex')))
        order by f.n)
    from commitment_found(c) f left join object o on o.id = f.object_id
$$;
CREATE FUNCTION public.commitment_items(c public.commitment) RETURNS TABLE(n bigint, sop_class text, sop_uid text, failure integer)
    LANGUAGE sql IMMUTABLE
    AS $$
    select i.n, i.sop_class, i.sop_uid, i.failure
    from unnest(c.sop_classes, c.sop_uids, c.failures) with ordinality i(sop_class, sop_uid, failure, n)
$$;
CREATE FUNCTION public.commitment_move(p_id bigint, p_event text, p_lease_seconds integer DEFAULT NULL::integer, p_error text DEFAULT NULL::text) RETURNS public.commitment
    LANGUAGE plpgsql
    AS $$
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
CREATE FUNCTION public.commitment_report(c public.commitment) RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
    select jsonb_build_object('id', c.id, 'lease', c.lease_no, 'attempt', c.attempts,
        'transaction', c.transaction_uid, 'aet', d.aet, 'called', d.called,
        'host', d.callback_host, 'port', d.callback_port,
        'items', (select jsonb_agg(jsonb_build_object('sop_class', t.sop_class, 'sop_uid', t.sop_uid,
            'failure', t.failure) order by t.n) from commitment_items(c) t))
    from device d where d.id = c.device_id
$$;
CREATE FUNCTION public.commitment_request(p_centre bigint, p_device bigint, p_uid text, p jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
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
CREATE FUNCTION public.commitment_tell(p_id bigint, p_lease_seconds integer) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
begin
    perform from commitment where id = p_id and state = 'due' for update;
    return case when found then commitment_report(commitment_move(p_id, 'send', p_lease_seconds)) end;
end $$;
CREATE FUNCTION public.commitment_uids_formed(p_uids text[]) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS $$
    select not exists (select from unnest(p_uids) u
        where (length(u) between 1 and 64 and translate(u, '0123456789.', '') = '') is not true)
$$;
CREATE FUNCTION public.conflict_note(e public.exam, p_sop_uid text, p_sha256 text, p jsonb) RETURNS public.exam
    LANGUAGE plpgsql
    AS $$
begin
    update exam set conflicts = (select coalesce(jsonb_agg(case when c ->> 'cause' = 'content'
                and c ->> 'sop_uid' = p_sop_uid and c ->> 'sha256' = coalesce(p_sha256, c ->> 'sha256')
            then c || p else c end order by n), '[]')
        from jsonb_array_elements(conflicts) with ordinality x(c, n))
    where id = e.id returning * into e;
    return e;
end $$;
CREATE FUNCTION public.constraint_text(p_constraint text) RETURNS text
    LANGUAGE sql STABLE
    AS $$
    select obj_description(oid, 'pg_constraint') from pg_constraint
    where conname = p_constraint and connamespace = 'public'::regnamespace
$$;
CREATE FUNCTION public.contact_note(p_notes jsonb) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
    insert into device_contact as c (device_id, address, calling, called, cause, first_at, last_at, count, detail,
        contexts, contexts_at)
    select n.device, n.address, n.calling, n.called, n.cause,
        now() - make_interval(secs => n.age_ms / 1000.0), now() - make_interval(secs => n.age_ms / 1000.0), n.count, n.detail, nullif(n.contexts, 'null'),
        case when n.contexts <> 'null' then now() - make_interval(secs => n.contexts_age_ms / 1000.0) end
    from jsonb_to_recordset(p_notes) as n(device bigint, address inet, calling text, called text,
        cause text, count bigint, age_ms bigint, detail text, contexts jsonb, contexts_age_ms bigint)
    where n.device is null or exists (select from device where id = n.device)
    order by n.device, n.address, n.calling, n.called, n.cause
    on conflict on constraint device_contact_key do update set
        last_at = greatest(c.last_at, excluded.last_at), count = c.count + excluded.count,
        detail = excluded.detail, contexts = coalesce(excluded.contexts, c.contexts),
        contexts_at = coalesce(excluded.contexts_at, c.contexts_at);
    delete from device_contact where id in (
        select id from device_contact where device_id is null
        order by last_at desc, id desc offset 1000);
    delete from device_contact where id in (
        select id from (
            select id, row_number() over (partition by device_id order by last_at desc, id desc) as place
            from device_contact
            where device_id in (select (n ->> 'device')::bigint from jsonb_array_elements(p_notes) n)) x
        where place > 200)
$$;
CREATE TABLE public.device_contact (
    id bigint NOT NULL,
    device_id bigint,
    address inet NOT NULL,
    calling text NOT NULL,
    called text NOT NULL,
    cause text NOT NULL,
    first_at timestamp with time zone DEFAULT now() NOT NULL,
    last_at timestamp with time zone NOT NULL,
    count bigint NOT NULL,
    detail text,
    contexts jsonb,
    contexts_at timestamp with time zone,
    CONSTRAINT device_contact_aet_length CHECK (((length(calling) <= 16) AND (length(called) <= 16))),
    CONSTRAINT device_contact_cause_form CHECK ((cause ~ '^[a-z_0-9]{0,40}$'::text)),
    CONSTRAINT device_contact_contexts_tied CHECK (((contexts IS NULL) = (contexts_at IS NULL))),
    CONSTRAINT device_contact_counted CHECK ((count > 0))
);
ALTER TABLE ONLY public.device_contact FORCE ROW LEVEL SECURITY;
CREATE FUNCTION public.contact_row(c public.device_contact, p_causes jsonb) RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
    select jsonb_build_object('code', c.cause) || coalesce(p_causes -> c.cause, '{}')
        || jsonb_build_object('count', c.count, 'first_at', c.first_at, 'last_at', c.last_at,
            'address', host(c.address), 'calling', nullif(c.calling, ''),
            'called', nullif(c.called, ''), 'stranger', c.device_id is null, 'detail', c.detail)
$$;
CREATE FUNCTION public.contract_id(p_centre text, p_hospital text, p_line text) RETURNS bigint
    LANGUAGE plpgsql STABLE
    AS $$
declare
    v bigint := (select id from contract where centre_id = org_id(p_centre)
        and hospital_id = org_id(p_hospital) and line_id = line_id(p_line));
begin
    if v is null then
        perform fail(404, 'no such contract', 'list them with: rdc contract list');
    end if;
    return v;
end $$;
CREATE FUNCTION public.delivery_claim(p_limit integer, p_lease_seconds integer) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
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
CREATE FUNCTION public.delivery_done(p_delivery bigint, p_lease bigint, p_outcome text, p_message text, p_retry_min integer, p_retry_max integer) RETURNS text
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
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
CREATE FUNCTION public.delivery_renew(p_deliveries bigint[], p_leases bigint[], p_lease_seconds integer) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
    update delivery d set lease_until = now() + make_interval(secs => p_lease_seconds)
    from unnest(p_deliveries, p_leases) u(id, lease)
    where d.id = u.id and d.lease_no = u.lease and d.state = 'sending'
$$;
CREATE FUNCTION public.delivery_retry(p_delivery bigint) RETURNS text
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
    update delivery set state = 'due', next_at = now() where id = p_delivery and state in ('dead', 'due')
    returning state
$$;
CREATE FUNCTION public.device_advice(p_devices bigint[]) RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
    select coalesce(jsonb_agg(jsonb_build_object('code', x.code, 'text_zh', c.text_zh, 'text_en', c.text_en,
        'count', x.n, 'last_at', x.last_at, 'weeks', x.weeks) order by x.n desc, x.code), '[]')
    from (
        select code, sum(n) as n, max(last_at) as last_at, jsonb_object_agg(week, n) as weeks
        from (select code, to_char(at, 'IYYY-"W"IW') as week, count(*) as n, max(at) as last_at
            from exam_advice where device_id = any (p_devices) and at > now() - interval '91 days'
            group by 1, 2) w
        group by 1) x join advice_code c on c.code = x.code
$$;
CREATE FUNCTION public.device_commitments(p_devices bigint[]) RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
    select jsonb_build_object('waiting', count(*), 'since', min(c.created_at),
        'last_error', (array_agg(c.last_error order by c.state_at desc) filter (where c.last_error is not null))[1],
        'callback', coalesce(bool_and(d.callback_host is not null), true))
    from commitment c join device d on d.id = c.device_id where c.device_id = any (p_devices) and c.state = 'due'
$$;
CREATE FUNCTION public.device_doctor(p_aet text, p_causes jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    AS $$
declare
    v_devices bigint[] := array(select id from device where aet = p_aet);
    v_rows bigint[];
begin
    v_rows := array(select c.id from device_contact c
        where c.device_id = any (v_devices) or (c.device_id is null and (lower(c.calling) = lower(p_aet)
            or exists (select from device d where d.id = any (v_devices) and d.address = c.address))));
    if v_devices = '{}' and v_rows = '{}' then
        perform fail(404, format('no such device %s, and nobody called by this name', p_aet),
            'list the devices with: rdc device list');
    end if;
    return jsonb_build_object('aet', p_aet,
        'devices', (select coalesce(jsonb_agg(jsonb_build_object('org', o.code, 'address', d.address,
                'called', d.called, 'disabled_at', d.disabled_at) order by d.id), '[]')
            from device d join organisation o on o.id = d.org_id where d.id = any (v_devices)),
        'last_contact_at', (select max(last_at) from device_contact where id = any (v_rows)),
        'last_ok_at', (select max(last_at) from device_contact where id = any (v_rows) and cause = ''),
        'last_error', (select contact_row(c, p_causes) from device_contact c
            where c.id = any (v_rows) and c.cause <> '' order by c.last_at desc, c.id desc limit 1),
        'causes', (select coalesce(jsonb_agg(contact_row(c, p_causes) order by c.last_at desc, c.id desc), '[]')
            from device_contact c where c.id = any (v_rows) and c.cause <> ''),
        'contexts', (select coalesce((select c.contexts from device_contact c
            where c.device_id = any (v_devices) and c.contexts is not null
            order by c.contexts_at desc, c.id desc limit 1), '[]')),
        'commitments', device_commitments(v_devices),
        'advice', device_advice(v_devices));
end $$;
CREATE FUNCTION public.device_find(p_aet text, p_address inet, p_called text, p_certificate text DEFAULT NULL::text) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
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
CREATE FUNCTION public.device_id(p_aet text, p_address inet, p_called text) RETURNS bigint
    LANGUAGE plpgsql STABLE
    AS $$
declare
    v bigint[];
begin
    select array_agg(id) into v from device
    where aet = p_aet and (p_address is null or address = network(p_address)::cidr)
        and (p_called is null or called = p_called);
    if v is null then
        perform fail(404, format('no such device %s', p_aet), 'list them with: rdc device list');
    elsif cardinality(v) > 1 then
        perform fail(409, format('%s devices are called %s', cardinality(v), p_aet),
            'say which with --address and --called');
    end if;
    return v[1];
end $$;
CREATE FUNCTION public.dicom_date(p text) RETURNS date
    LANGUAGE plpgsql IMMUTABLE
    AS $_$
declare
    d date;
begin
    if p !~ '^(?!0000)\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])$' then
        return null;
    end if;
    d := make_date(substr(p, 1, 4)::int, substr(p, 5, 2)::int, 1) + substr(p, 7, 2)::int - 1;
    return case when extract(month from d) = substr(p, 5, 2)::int then d end;
end $_$;
CREATE FUNCTION public.dicom_date_like(p_date date, p_key text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE
    AS $$
declare
    s record := worklist_span('(0010,0030)', p_key, null, 'UTC');
begin
    return p_date::timestamp at time zone 'UTC' >= s.v_from and p_date::timestamp at time zone 'UTC' < s.v_to;
end $$;
CREATE FUNCTION public.dicom_ends(p text) RETURNS text[]
    LANGUAGE sql IMMUTABLE
    AS $$
    select case when position('-' in p) > 0
        then array[btrim(split_part(p, '-', 1)), btrim(split_part(p, '-', 2))]
        else array[btrim(p), btrim(p)] end
$$;
CREATE FUNCTION public.dicom_items(p jsonb, p_tag text) RETURNS SETOF jsonb
    LANGUAGE sql IMMUTABLE
    AS $$
    select v from jsonb_array_elements(case when jsonb_typeof(p -> p_tag -> 'Value') = 'array'
        then p -> p_tag -> 'Value' else '[]' end) v
    where jsonb_typeof(v) = 'object'
$$;
CREATE FUNCTION public.dicom_like(p_value text, p_key text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS $$
    select coalesce(p_value, '') like any (string_to_array(translate(replace(replace(
        translate(p_key, '\', E'\x1f'), '%', '\%'), '_', '\_'), '*?', '%_'), E'\x1f'))
$$;
CREATE FUNCTION public.dicom_name_like(p_name text, p_pinyin text, p_key text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS $_$
    select not exists (
        select from unnest(string_to_array(lower(btrim(p_key)), '=')) k
        where btrim(k, ' ^') <> '' and not exists (
            select from unnest(string_to_array(lower(p_name), '=') || lower(p_pinyin)) g
            where dicom_like(translate(btrim(g, ' ^'), '^', ' '), translate(btrim(k, ' ^'), '^', ' '))
                or not exists (
                    select from unnest(string_to_array(k, '^')) with ordinality c(part, n)
                    where btrim(c.part) <> ''
                        and not dicom_like(btrim(split_part(g, '^', c.n::int)), btrim(c.part))))
            and not coalesce(case when k !~ '[*?]' then name_key(p_name, p_pinyin) = name_key(k, null)
                when k ~ '^[^*?^]*[a-z][*]$' then starts_with(name_key(p_name, p_pinyin), name_key(k, null)) end, false))
$_$;
CREATE FUNCTION public.dicom_number(m jsonb, p_tag text) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE
    AS $_$
declare
    v text := dicom_text(m, p_tag);
begin
    return case when length(v) <= 34 and v ~ '^[-+]?\d+(\.\d+)?([eE][-+]?\d\d?)?$' then v::double precision end;
end $_$;
CREATE FUNCTION public.dicom_side(m jsonb) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    AS $$
declare
    v text := upper(coalesce(dicom_text(m, '00200062'), dicom_text(m, '00200060'),
        m #>> '{00082218,Value,0,00082220,Value,0,00080100,Value,0}'));
begin
    return case when v in ('L', 'R', 'B') then v
        when v in ('7771000', 'G-A101') then 'L' when v in ('24028007', 'G-A100') then 'R'
        when v in ('51440002', 'G-A102') then 'B' end;
end $$;
CREATE FUNCTION public.dicom_text(p jsonb, p_tag text) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$ select nullif(btrim(p -> p_tag -> 'Value' ->> 0), '') $$;
CREATE FUNCTION public.dicom_time(p text) RETURNS time without time zone
    LANGUAGE plpgsql IMMUTABLE
    AS $_$
begin
    if p !~ '^([01]\d|2[0-3])([0-5]\d(([0-5]\d|60)(\.\d{1,6})?)?)?$' then
        return null;
    end if;
    return make_time(substr(p, 1, 2)::int, coalesce(nullif(substr(p, 3, 2), ''), '0')::int,
        least(coalesce(nullif(substr(p, 5), ''), '0')::numeric, 59.999999)::double precision);
end $_$;
CREATE FUNCTION public.dicom_time_end(p text) RETURNS interval
    LANGUAGE sql IMMUTABLE
    AS $$
    select dicom_time(p)::interval + case when p like '%.%' then interval '1 microsecond'
        when length(p) = 2 then interval '1 hour' when length(p) = 4 then interval '1 minute'
        else interval '1 second' end
$$;
CREATE FUNCTION public.dimse_reply(p_status integer, p_comment text DEFAULT NULL::text, p_tags text[] DEFAULT NULL::text[], p_error_id integer DEFAULT NULL::integer) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    AS $$
    select jsonb_strip_nulls(jsonb_build_object('status', p_status, 'comment', left(p_comment, 64),
        'tags', p_tags, 'error_id', p_error_id))
$$;
CREATE FUNCTION public.ecg_class(p_sop_class text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS $$
    select p_sop_class in ('1.2.840.10008.5.1.4.1.1.9.1.1', '1.2.840.10008.5.1.4.1.1.9.1.2',
        '1.2.840.10008.5.1.4.1.1.9.1.3', '1.2.840.10008.5.1.4.1.1.9.1.4', '1.2.840.10008.5.1.4.1.1.9.2.1')
$$;
CREATE FUNCTION public.ecg_compared_file(p_uid text) RETURNS text
    LANGUAGE plpgsql STABLE
    AS $$
begin
    return (select (select o.location from instance x join object o on o.id = x.object_id
            join ecg_measurement m on m.earlier_id = x.id where m.instance_id = i.id and ecg_comparison(m) is not null)
        from instance i where i.sop_uid = p_uid order by i.variant, i.id limit 1);
end $$;
CREATE TABLE public.ecg_measurement (
    instance_id bigint NOT NULL,
    exam_id bigint NOT NULL,
    figures jsonb NOT NULL,
    earlier_id bigint,
    at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE ONLY public.ecg_measurement FORCE ROW LEVEL SECURITY;
CREATE FUNCTION public.ecg_comparison(m public.ecg_measurement) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    AS $$
begin
    return (select (m.figures -> 'comparison') || jsonb_build_object('instance', x.sop_uid, 'exam', y.id,
            'recorded_at', ecg_recorded(t, x))
        from instance x join study t on t.id = x.study_id join exam y on y.study_id = t.id
            join exam e on e.id = m.exam_id
        where x.id = m.earlier_id and ecg_same_patient(e, y));
end $$;
CREATE FUNCTION public.ecg_earlier(p_instance bigint) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    AS $$
begin
    return (select jsonb_build_object('instance', x.id, 'location', o.location)
        from instance i join study s on s.id = i.study_id join exam e on e.study_id = s.id
            join study t on t.patient_id = s.patient_id join exam y on y.study_id = t.id
            join instance x on x.study_id = t.id join ecg_measurement m on m.instance_id = x.id
            join object o on o.id = x.object_id
        where i.id = p_instance and x.sop_uid <> i.sop_uid and x.variant = 0 and ecg_same_patient(e, y)
            and not m.figures ? 'error'
            and (ecg_recorded(t, x), x.id) < (ecg_recorded(s, i), i.id)
        order by ecg_recorded(t, x) desc, x.id desc limit 1);
end $$;
CREATE FUNCTION public.ecg_limits() RETURNS text
    LANGUAGE sql STABLE
    AS $$
    select string_agg(name || '=' || value, ',' order by name) from ecg_limit
$$;
CREATE FUNCTION public.ecg_measured(i public.instance, p_exam bigint, p jsonb, p_earlier bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
    e exam;
    v_retake jsonb := p -> 'retake';
begin
    if p ? 'error' and exists (select from ecg_measurement m where m.instance_id = i.id and not m.figures ? 'error') then
        return; -- of the same bytes more was found before, and it still holds
    end if;
    insert into ecg_measurement (instance_id, exam_id, figures, earlier_id) values (i.id, p_exam, p, p_earlier)
    on conflict (instance_id) do update set figures = excluded.figures, earlier_id = excluded.earlier_id, at = now();
    if i.variant > 0 then
        return; -- another one is shown in its place
    end if;
    if not p ? 'error' then
        update exam_advice set resolved_at = now()
        where exam_id = p_exam and instance_id = i.id and code = 'ecg_not_measured' and resolved_at is null;
    end if;
    if v_retake <> '[]' then
        insert into exam_advice (exam_id, instance_id, device_id, code, detail)
        select p_exam, i.id, i.device_id, r ->> 'code', r ->> 'figures' from jsonb_array_elements(v_retake) r
            join advice_code c on c.code = r ->> 'code'
        on conflict on constraint exam_advice_once do nothing;
    end if;
    if p -> 'alarms' <> '[]' then
        select * into e from exam where id = p_exam for update;
        if e.state not in ('final', 'retracted', 'withdrawn') then
            update exam set priority = 'stat' where id = e.id;
            insert into exam_event (exam_id, event, from_state, to_state, detail)
            values (e.id, 'ecg_alarm', e.state, e.state, jsonb_build_object('alarms', p -> 'alarms',
                'priority_before', e.priority));
        end if;
    end if;
end $$;
CREATE TABLE public.study (
    id bigint NOT NULL,
    centre_id bigint NOT NULL,
    study_uid text NOT NULL,
    patient_id bigint NOT NULL,
    accession text,
    study_date date,
    study_time time without time zone,
    study_id text,
    description text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT study_uid_form CHECK (((study_uid ~ '^[0-9.]+$'::text) AND (length(study_uid) <= 64)))
);
ALTER TABLE ONLY public.study FORCE ROW LEVEL SECURITY;
CREATE FUNCTION public.ecg_recorded(s public.study, i public.instance) RETURNS timestamp without time zone
    LANGUAGE sql STABLE
    AS $$
    select coalesce(s.study_date + coalesce(s.study_time, time '00:00'), i.received_at::timestamp)
$$;
CREATE FUNCTION public.ecg_same_patient(a public.exam, b public.exam) RETURNS boolean
    LANGUAGE plpgsql STABLE
    AS $$
begin
    return a.quarantined_at is null and b.quarantined_at is null
        and a.state not in ('withdrawn', 'retracted') and b.state not in ('withdrawn', 'retracted')
        and exists (select from study s join study t on t.patient_id = s.patient_id join patient p on p.id = s.patient_id
            where s.id = a.study_id and t.id = b.study_id and p.patient_id is not null);
end $$;
CREATE FUNCTION public.ecg_unmeasured(p_cause text) RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
    select jsonb_build_object('confirmed', false, 'error', p_cause, 'statements', '[]'::jsonb, 'alarms', '[]'::jsonb,
        'retake', jsonb_build_array(jsonb_build_object('code', code, 'text_en', text_en, 'text_zh', text_zh,
            'figures', p_cause)))
    from advice_code where code = 'ecg_not_measured'
$$;
CREATE FUNCTION public.evidence_exam(p_centre bigint, p_study_uid text) RETURNS public.exam
    LANGUAGE plpgsql
    AS $$
declare
    e exam;
begin
    select x.* into e from exam x join study s on s.id = x.study_id
    where s.study_uid = p_study_uid and s.centre_id = p_centre for update of x;
    return e;
end $$;
CREATE FUNCTION public.evidence_grew(p_instances bigint[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
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
CREATE FUNCTION public.evidence_note(p_centre bigint, p_study_uid text, p_kind text, p_open boolean, p_add boolean, p_uids text[], p_count integer DEFAULT NULL::integer) RETURNS void
    LANGUAGE plpgsql
    AS $$
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
CREATE FUNCTION public.evidence_of_commitment(c public.commitment) RETURNS void
    LANGUAGE plpgsql
    AS $$
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
CREATE TABLE public.performed_step (
    id bigint NOT NULL,
    centre_id bigint NOT NULL,
    device_id bigint,
    sop_uid text NOT NULL,
    state text DEFAULT 'IN PROGRESS'::text NOT NULL,
    state_at timestamp with time zone DEFAULT now() NOT NULL,
    content jsonb NOT NULL,
    accession text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    ended_at timestamp with time zone,
    CONSTRAINT performed_step_ended_tied CHECK (((state = 'IN PROGRESS'::text) = (ended_at IS NULL))),
    CONSTRAINT performed_step_state_known CHECK ((state = ANY (ARRAY['IN PROGRESS'::text, 'COMPLETED'::text, 'DISCONTINUED'::text]))),
    CONSTRAINT performed_step_uid_form CHECK (((sop_uid ~ '^[0-9.]+$'::text) AND (length(sop_uid) <= 64)))
);
ALTER TABLE ONLY public.performed_step FORCE ROW LEVEL SECURITY;
CREATE FUNCTION public.evidence_of_steps(s public.performed_step) RETURNS void
    LANGUAGE plpgsql
    AS $$
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
CREATE FUNCTION public.evidence_weigh(p_id bigint, e public.exam) RETURNS void
    LANGUAGE plpgsql
    AS $$
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
CREATE FUNCTION public.evidence_without_list(s public.performed_step, p_study_uid text) RETURNS void
    LANGUAGE plpgsql
    AS $$
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
CREATE FUNCTION public.exam_advice_list(p_exam bigint) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    AS $$
begin
    return (select coalesce(jsonb_agg(jsonb_build_object('code', a.code, 'text_zh', c.text_zh, 'text_en', c.text_en,
            'instance', i.sop_uid, 'detail', a.detail, 'at', a.at) order by a.id), '[]')
        from exam_advice a join advice_code c on c.code = a.code left join instance i on i.id = a.instance_id
        where a.exam_id = p_exam and a.resolved_at is null and coalesce(i.variant, 0) = 0);
end $$;
CREATE FUNCTION public.exam_alarmed(p_exam bigint) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
    select coalesce((select event = 'ecg_alarm' from exam_event
        where exam_id = p_exam and event in ('ecg_alarm', 'priority') order by id desc limit 1), false)
$$;
CREATE FUNCTION public.exam_centre_act(p_exam bigint, p_event text, p_reason text) RETURNS json
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
declare
    e exam := exam_take(p_exam, 'technician', 'doctor', 'admin');
begin
    if e.centre_id is distinct from rdc_org() then
        perform fail(403, 'only the originating centre can do this');
    end if;
    if p_event = 'withdraw' and exists (select from report where exam_id = e.id) then
        perform fail(409, 'a report was signed already', 'ask the reading hospital to amend or retract it');
    end if;
    update exam set reason = coalesce(p_reason, reason) where id = e.id returning * into e;
    if p_event = 'restore' then
        if e.hospital_id is null then
            e := exam_route(e, 'restore');
        else
            e := exam_move(e, 'restore');
        end if;
    else
        e := exam_move(e, p_event, jsonb_build_object('reason', p_reason));
    end if;
    perform audit_write(p_event, 'exam', e.id, jsonb_build_object('reason', p_reason));
    return json_build_object('state', e.state);
end $$;
CREATE FUNCTION public.exam_claim(p_exam bigint, p_lease_seconds integer) RETURNS json
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
declare
    e exam := exam_take_for_reading(p_exam);
    c contract;
    v_digest bytea;
begin
    perform exam_require_free(e);
    if e.lease_holder is not null and e.lease_expires < now() then
        e := exam_move(e, 'expire');
    end if;
    if e.lease_holder is not null then
        perform fail(409, format('exam %s is held by %s', e.id,
                (select name from person where id = e.lease_holder)),
            'until ' || to_char(e.lease_expires, 'YYYY-MM-DD HH24:MI:SS TZ'));
    end if;
    if e.state = 'arriving' then
        if e.priority <> 'stat' then
            perform fail(409, format('exam %s is still arriving', e.id), 'wait until it is complete');
        end if;
        select * into c from exam_contract(e.centre_id, e.line_id);
        update exam set grade = 'quiet', hospital_id = c.hospital_id, contract_id = c.id,
            due_at = now() + make_interval(mins => c.within_minutes)
        where id = e.id;
    end if;
    if e.state = 'written' and e.author_id = rdc_person() then
        perform fail(409, 'the reviewer is not the author',
            'recall it with POST …/recall, or leave it to a colleague');
    end if;
    e := exam_move(e, 'claim', null, rdc_person(), p_lease_seconds);
    v_digest := exam_objects_digest(e.study_id);
    update exam set shown_digest = v_digest where id = e.id;
    perform audit_write('claim', 'exam', e.id);
    return json_build_object('lease', e.lease_no, 'expires', e.lease_expires,
        'objects_digest', encode(v_digest, 'hex'), 'state', e.state,
        'draft', (select content from draft where exam_id = e.id));
end $$;
CREATE FUNCTION public.exam_complete(e public.exam, p_grade text, p_expected integer DEFAULT NULL::integer) RETURNS public.exam
    LANGUAGE plpgsql
    AS $$
begin
    update exam set grade = p_grade, expected = p_expected where id = e.id returning * into e;
    return exam_route(e, 'complete');
end $$;
CREATE FUNCTION public.exam_complete_all(p_exams bigint[], p_grade text, p_expected integer DEFAULT NULL::integer) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    with next as (
        select e.id, c.id as contract_id, c.hospital_id, c.within_minutes, t.event, t.next_state
        from exam e left join lateral exam_contract(e.centre_id, e.line_id) c on true
            join exam_transition t on t.state = e.state
                and t.event = case when c.id is null then 'unrouted' else 'complete' end
        where e.id = any (p_exams) and e.state = 'arriving'
    ), moved as (
        update exam e set grade = p_grade, expected = p_expected, hospital_id = n.hospital_id,
            contract_id = n.contract_id, due_at = now() + make_interval(mins => n.within_minutes),
            state = n.next_state, state_at = now()
        from next n where e.id = n.id and e.state = 'arriving'
        returning e.id, n.event, n.next_state, e.lease_no
    )
    insert into exam_event (exam_id, person_id, event, from_state, to_state, lease_no)
    select id, rdc_person(), event, 'arriving', next_state, lease_no from moved;
end $$;
CREATE FUNCTION public.exam_complete_due() RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
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
CREATE FUNCTION public.exam_completed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
declare
    o exam_order := exam_order_of(new);
begin
    if o.id is not null then
        perform advice_views(new, o);
    end if;
    return null;
end $$;
CREATE FUNCTION public.exam_completeness(e public.exam) RETURNS jsonb
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
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
CREATE FUNCTION public.exam_conflicts(e public.exam) RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
    select coalesce(jsonb_agg(case when c ->> 'cause' <> 'content' then c else c || jsonb_build_object('shown', (
            select encode(o.sha256, 'hex') from instance i join object o on o.id = i.object_id
            where i.study_id = e.study_id and i.sop_uid = c ->> 'sop_uid' and i.variant = 0)) end order by n), '[]')
    from jsonb_array_elements(e.conflicts) with ordinality x(c, n)
$$;
CREATE TABLE public.contract (
    id bigint NOT NULL,
    centre_id bigint NOT NULL,
    hospital_id bigint NOT NULL,
    line_id bigint NOT NULL,
    within_minutes integer DEFAULT 120 NOT NULL,
    two_step boolean,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    disabled_at timestamp with time zone,
    CONSTRAINT contract_within_range CHECK (((within_minutes >= 1) AND (within_minutes <= 100000)))
);
ALTER TABLE ONLY public.contract FORCE ROW LEVEL SECURITY;
COMMENT ON CONSTRAINT contract_within_range ON public.contract IS 'minutes go from 1 to 100000';
CREATE FUNCTION public.exam_contract(p_centre bigint, p_line bigint) RETURNS SETOF public.contract
    LANGUAGE sql STABLE
    AS $$
    select k.* from contract k join organisation o on o.id = k.hospital_id and o.disabled_at is null
    where k.centre_id = p_centre and k.line_id = p_line and k.disabled_at is null
    order by k.id limit 1
$$;
CREATE FUNCTION public.exam_damaged(e public.exam) RETURNS boolean
    LANGUAGE plpgsql STABLE
    AS $$
begin
    return exists (select from exam_advice a join instance i on i.id = a.instance_id
            where a.exam_id = e.id and a.code in ('object_damaged', 'image_damaged', 'ecg_damaged') and a.resolved_at is null and i.variant = 0)
        or exists (select from jsonb_array_elements(e.conflicts) c
            join instance i on i.study_id = e.study_id and i.sop_uid = c ->> 'sop_uid' and i.variant = 0
            join object o on o.id = i.object_id
            where c ->> 'cause' = 'content' and c -> 'damaged' ? encode(o.sha256, 'hex'));
end $$;
CREATE FUNCTION public.exam_detail(e public.exam) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    AS $$
begin
    return (select shown from exam_rows(array[e.id]))::jsonb || jsonb_build_object(
        'objects_digest', encode(exam_objects_digest(e.study_id), 'hex'),
        'conflicts', exam_conflicts(e), 'reason', e.reason,
        'two_step', exam_two_step(e),
        'instances', (select coalesce(jsonb_agg(jsonb_build_object('uid', i.sop_uid,
                'sop_class', i.sop_class, 'transfer_syntax', i.transfer_syntax, 'number', i.number,
                'series_uid', r.series_uid, 'modality', r.modality, 'frames', i.frames,
                'variant', i.variant, 'sha256', encode(o.sha256, 'hex'), 'size', o.size,
                'original', (select media from object where id = i.original_id))
                order by r.number nulls last, i.number nulls last, i.id), '[]')
            from instance i join series r on r.id = i.series_id join object o on o.id = i.object_id
            where i.study_id = e.study_id and not i.own),
        'draft', (select content from draft where exam_id = e.id),
        'reports', (select coalesce(jsonb_agg(jsonb_build_object('version', r.version,
                'state', r.state, 'content', r.content, 'signed_at', r.signed_at,
                'content_sha256', encode(r.content_sha256, 'hex'),
                'objects_digest', encode(r.objects_digest, 'hex'), 'damaged', r.damaged,
                'author', person_name(r.author_id), 'signer', person_name(r.signer_id),
                'sr_uid', r.sr_uid, 'pdf_uid', r.pdf_uid, 'rendered_at', r.rendered_at)
                order by r.version), '[]')
            from report r where r.exam_id = e.id),
        'deliveries', (select coalesce(jsonb_agg(jsonb_build_object('destination', t.name,
                'version', r.version, 'state', d.state, 'attempts', d.attempts,
                'next_at', case when d.state = 'due' then d.next_at end,
                'last_error', d.last_error, 'acknowledged_at', d.acknowledged_at, 'warning', d.warning)
                order by d.id), '[]')
            from delivery d join report r on r.id = d.report_id
                join destination t on t.id = d.destination_id
            where r.exam_id = e.id),
        'events', (select coalesce(jsonb_agg(jsonb_build_object('at', v.at, 'event', v.event,
                'from', v.from_state, 'to', v.to_state, 'by', person_name(v.person_id))
                order by v.id), '[]')
            from exam_event v where v.exam_id = e.id));
end $$;
CREATE FUNCTION public.exam_draft(p_exam bigint, p_lease bigint, p_content jsonb, p_lease_seconds integer) RETURNS json
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
declare
    e exam := exam_take_for_reading(p_exam);
begin
    perform exam_require_lease(e, p_lease);
    perform report_content_check(p_content);
    insert into draft (exam_id, author_id, lease_no, content)
    values (e.id, rdc_person(), p_lease, p_content)
    on conflict (exam_id) do update set author_id = excluded.author_id,
        lease_no = excluded.lease_no, content = excluded.content, updated_at = now();
    return json_build_object('lease', p_lease,
        'expires', exam_extend(p_exam, p_lease, p_lease_seconds));
end $$;
CREATE FUNCTION public.exam_ecg(p_exam bigint) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    AS $$
begin
    return (select coalesce(jsonb_agg(m.figures || jsonb_build_object('instance', i.sop_uid, 'at', m.at,
            'comparison', ecg_comparison(m)) order by m.instance_id), '[]')
        from ecg_measurement m join instance i on i.id = m.instance_id where m.exam_id = p_exam and i.variant = 0);
end $$;
CREATE FUNCTION public.exam_expire_due() RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
declare
    e exam;
    n int := 0;
begin
    -- With the condition of the partial index, which the planner must see.
    for e in select * from exam where lease_holder is not null and lease_expires < now()
        order by id limit 200 for update skip locked loop
        perform exam_move(e, 'expire');
        n := n + 1;
    end loop;
    for e in select x.* from exam x
        where x.state = 'unrouted' and exists (select from contract c join organisation o on o.id = c.hospital_id
            where c.centre_id = x.centre_id and c.line_id = x.line_id and c.disabled_at is null and o.disabled_at is null)
        order by x.id limit 200 for update skip locked loop
        perform exam_route(e, 'contract');
        n := n + 1;
    end loop;
    return n;
end $$;
CREATE FUNCTION public.exam_extend(p_exam bigint, p_lease bigint, p_lease_seconds integer) RETURNS timestamp with time zone
    LANGUAGE plpgsql
    AS $$
declare
    v timestamptz := now() + make_interval(secs => p_lease_seconds);
begin
    update exam set lease_expires = v where id = p_exam and lease_no = p_lease;
    return v;
end $$;
CREATE FUNCTION public.exam_get(p_exam bigint) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
    v jsonb := (select exam_detail(e) || jsonb_build_object('completeness', exam_completeness(e),
            'advice', exam_advice_list(e.id), 'ecg', exam_ecg(e.id))
        from exam e where e.id = p_exam);
begin
    if v is null then
        perform fail(404, 'no such exam', 'list them with GET /api/v1/exams');
    end if;
    perform audit_read('view', p_exam);
    return v || jsonb_build_object('candidates', (select patient_candidates(p)
        from exam e join study s on s.id = e.study_id join patient p on p.id = s.patient_id
        where e.id = p_exam));
end $$;
CREATE FUNCTION public.exam_heartbeat(p_exam bigint, p_lease bigint, p_lease_seconds integer) RETURNS json
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
declare
    e exam := exam_take_for_reading(p_exam);
begin
    perform exam_require_lease(e, p_lease);
    return json_build_object('lease', p_lease,
        'expires', exam_extend(p_exam, p_lease, p_lease_seconds),
        'objects_digest', encode(exam_objects_digest(e.study_id), 'hex'));
end $$;
CREATE FUNCTION public.exam_left_order() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
begin
    perform order_progress(new.order_id, 'finish');
    return null;
end $$;
CREATE FUNCTION public.exam_list(p_state text, p_since timestamp with time zone, p_limit integer) RETURNS json
    LANGUAGE plpgsql STABLE
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    AS $$
declare
    v_exams bigint[];
begin
    if p_state is not null and not exists (select from exam_transition where p_state in (state, next_state)) then
        perform fail(422, 'state is unknown', 'known are ' ||
            (select string_agg(distinct next_state, ', ') || ', arriving' from exam_transition));
    end if;
    v_exams := array(select x.id from exam x
        where x.id = any (exam_newest(p_state, p_since, p_limit)) order by x.id);
    return (select json_build_object('exams', coalesce(json_agg(e.shown order by e.place), '[]'))
        from exam_rows(v_exams) e);
end $$;
CREATE FUNCTION public.exam_meet_order(p_exam bigint) RETURNS public.exam
    LANGUAGE plpgsql
    AS $$
declare
    e exam;
    s study;
    o exam_order;
    p patient;
    q patient;
    v_against text[];
begin
    select * into e from exam where id = p_exam;
    select * into s from study where id = e.study_id;
    select * into p from patient where id = s.patient_id;
    select * into o from exam_order where id = order_of_study(s.centre_id, s.study_uid, s.accession);
    v_against := resident_id_contradictions(coalesce(p.resident_id, p.patient_id), p.birth_date, p.sex);
    if cardinality(v_against) > 0 then
        e.conflicts := e.conflicts || jsonb_build_object('cause', 'resident_id', 'at', now(), 'what', v_against);
    end if;
    if o.id is not null and array_position(array['stat', 'urgent', 'routine'], o.priority)
        < array_position(array['stat', 'urgent', 'routine'], e.priority) then
        e.priority := o.priority;
    end if;
    if o.id is not null or cardinality(v_against) > 0 then
        update exam set conflicts = e.conflicts, order_id = o.id, priority = e.priority
        where id = p_exam returning * into e;
    end if;
    if o.id is null then
        return e;
    end if;
    select * into q from patient where id = o.patient_id;
    if p.patient_id is null and cardinality(patient_contradictions(p.name, p.pinyin, p.birth_date, p.sex,
            q.name, q.pinyin, q.birth_date, q.sex)) = 0 then
        update study set patient_id = q.id where id = s.id;
        delete from patient where id = p.id and id <> q.id
            and not exists (select from exam_order where patient_id = p.id);
    end if;
    perform order_progress(o.id, 'start');
    return e;
end $$;
CREATE FUNCTION public.exam_move(p_exam public.exam, p_event text, p_detail jsonb DEFAULT NULL::jsonb, p_holder bigint DEFAULT NULL::bigint, p_lease_seconds integer DEFAULT NULL::integer) RETURNS public.exam
    LANGUAGE plpgsql
    AS $$
declare
    e exam;
    v_next text;
begin
    select next_state into v_next from exam_transition
    where state = p_exam.state and event = p_event;
    if v_next is null then
        perform fail(409, format('exam %s is %s: %s is not possible', p_exam.id, p_exam.state, p_event),
            'look at the exam again');
    end if;
    update exam set
        state = v_next, state_at = now(),
        lease_no = lease_no + (p_holder is not null)::int,
        lease_holder = p_holder,
        lease_expires = now() + make_interval(secs => p_lease_seconds)
    where id = p_exam.id and state = p_exam.state
    returning * into e;
    if e.id is null then
        perform fail(409, format('exam %s was changed by somebody else', p_exam.id),
            'look at the exam again');
    end if;
    insert into exam_event (exam_id, person_id, event, from_state, to_state, lease_no, detail)
    values (e.id, rdc_person(), p_event, p_exam.state, v_next, e.lease_no, p_detail);
    return e;
end $$;
CREATE FUNCTION public.exam_newest(p_state text, p_since timestamp with time zone, p_limit integer) RETURNS bigint[]
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'public'
    SET plan_cache_mode TO 'force_custom_plan'
    AS $$
begin
    if p_since is not null then
        return array(select e.id from exam_scope() s, lateral (
            select x.id from exam x where x.centre_id = s.centre_id and x.state_at >= p_since
                and (s.line_id is null or x.line_id = s.line_id) and (p_state is null or x.state = p_state)
            order by x.id desc limit p_limit) e order by e.id desc limit p_limit);
    elsif p_state is not null then
        return array(select e.id from exam_scope() s, lateral (
            select x.id from exam x where x.centre_id = s.centre_id and x.state between p_state and p_state
                and (s.line_id is null or x.line_id = s.line_id)
            order by x.state desc, x.id desc limit p_limit) e order by e.id desc limit p_limit);
    end if;
    return array(select e.id from exam_scope() s, lateral (
        select x.id from exam x where x.centre_id between s.centre_id and s.centre_id
            and (s.line_id is null or x.line_id = s.line_id)
        order by x.centre_id desc, x.id desc limit p_limit) e order by e.id desc limit p_limit);
end $$;
CREATE TABLE public.patient (
    id bigint NOT NULL,
    issuer_id bigint NOT NULL,
    patient_id text,
    name text,
    name_raw bytea,
    charset text,
    charset_guessed boolean DEFAULT false NOT NULL,
    birth_date date,
    sex text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    pinyin text,
    resident_id text,
    CONSTRAINT patient_id_given CHECK ((patient_id <> ''::text)),
    CONSTRAINT patient_sex_known CHECK ((sex = ANY (ARRAY['M'::text, 'F'::text, 'O'::text])))
);
ALTER TABLE ONLY public.patient FORCE ROW LEVEL SECURITY;
COMMENT ON CONSTRAINT patient_id_given ON public.patient IS 'the patient ID is not empty';
COMMENT ON CONSTRAINT patient_sex_known ON public.patient IS 'the sex is M, F or O';
CREATE FUNCTION public.exam_object_patient(e public.exam, p_now public.patient) RETURNS public.patient
    LANGUAGE plpgsql
    AS $$
declare
    v_object jsonb := (select c -> 'object' from jsonb_array_elements(e.conflicts) c
        where c ->> 'cause' = 'patient_order' and not c ? 'resolved' limit 1);
    v patient;
begin
    if p_now.id <> (select patient_id from exam_order where id = e.order_id) then
        return p_now;
    end if;
    select * into v from patient where issuer_id = e.centre_id and patient_id = v_object ->> 'id'
        and id <> p_now.id;
    if v.id is null then
        insert into patient (issuer_id, patient_id, name, birth_date, sex)
        values (e.centre_id, case when v_object ->> 'id' <> p_now.patient_id then v_object ->> 'id' end,
            v_object ->> 'name', (v_object ->> 'birth_date')::date, v_object ->> 'sex')
        returning * into v;
    end if;
    return v;
end $$;
CREATE FUNCTION public.exam_objects(p_study bigint) RETURNS integer
    LANGUAGE sql STABLE
    AS $$ select count(*)::int from instance where study_id = p_study and not own and variant = 0 $$;
CREATE FUNCTION public.exam_objects_digest(p_study bigint) RETURNS bytea
    LANGUAGE sql STABLE
    AS $$
    select sha256(convert_to(coalesce(string_agg(
        i.sop_uid || ' ' || i.variant || ' ' || encode(o.sha256, 'hex'), E'\n'
        order by i.sop_uid collate "C", i.variant), ''), 'UTF8'))
    from instance i join object o on o.id = i.object_id
    where i.study_id = p_study and not i.own
$$;
CREATE FUNCTION public.exam_order_of(e public.exam) RETURNS public.exam_order
    LANGUAGE plpgsql STABLE
    AS $$
declare
    s study;
    o exam_order;
begin
    select * into s from study where id = e.study_id;
    select * into o from exam_order x where x.id = e.order_id and x.centre_id = s.centre_id;
    if o.id is null then
        select * into o from exam_order x where x.study_uid = s.study_uid and x.centre_id + 0 = s.centre_id;
    end if;
    if o.id is null then
        select * into o from exam_order x where x.accession = s.accession and x.centre_id + 0 = s.centre_id;
    end if;
    return o;
end $$;
CREATE FUNCTION public.exam_raised(p_exam bigint, p_old text, p_new text) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
    select coalesce(array_position(array['stat', 'urgent', 'routine'], p_new)
            < array_position(array['stat', 'urgent', 'routine'], p_old), false)
        and not exists (select from exam_event where exam_id = p_exam and event = 'priority')
$$;
CREATE FUNCTION public.exam_reader(e public.exam) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
    select coalesce(e.hospital_id,
        case when e.state = 'arriving' then
            (select hospital_id from exam_contract(e.centre_id, e.line_id)) end)
$$;
CREATE FUNCTION public.exam_reader_act(p_exam bigint, p_event text, p_lease bigint, p_reason text, p_hospital text) RETURNS json
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
declare
    e exam := exam_take_for_reading(p_exam);
    c contract;
begin
    if p_event in ('reject', 'return', 'retract', 'amend') and coalesce(btrim(p_reason), '') = '' then
        perform fail(422, p_event || ' needs a reason', '{"reason": "..."}');
    end if;
    if e.lease_holder is not null then
        perform exam_require_lease(e, p_lease);
    end if;
    if p_event = 'forward' then
        select contract.* into c from contract join organisation h on h.id = hospital_id
        where h.code = p_hospital and centre_id = e.centre_id and line_id = e.line_id
            and contract.disabled_at is null;
        if c.id is null then
            perform fail(422, 'no contract of this centre and line with that hospital',
                '{"hospital": "CODE"}');
        end if;
        update exam set hospital_id = c.hospital_id, contract_id = c.id where id = e.id;
    end if;
    if p_event = 'retract' then
        update report set state = 'retracted' where exam_id = e.id;
    end if;
    update exam set reason = coalesce(p_reason, reason) where id = e.id;
    e := exam_move(e, p_event, jsonb_strip_nulls(jsonb_build_object('reason', p_reason, 'hospital', p_hospital)));
    perform audit_write(p_event, 'exam', e.id, jsonb_build_object('reason', p_reason));
    return json_build_object('state', e.state);
end $$;
CREATE FUNCTION public.exam_recall(p_exam bigint, p_lease_seconds integer) RETURNS json
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
declare
    e exam := exam_take_for_reading(p_exam);
begin
    if e.author_id is distinct from rdc_person() then
        perform fail(403, 'only its author can recall a report');
    end if;
    e := exam_move(e, 'recall', null, rdc_person(), p_lease_seconds);
    update exam set shown_digest = exam_objects_digest(e.study_id) where id = e.id;
    return json_build_object('lease', e.lease_no, 'expires', e.lease_expires,
        'objects_digest', encode(exam_objects_digest(e.study_id), 'hex'));
end $$;
CREATE FUNCTION public.exam_require_free(e public.exam) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    if e.quarantined_at is not null then
        perform fail(409, format('exam %s is quarantined: its patient contradicts its order', e.id),
            'its centre decides with POST …/resolve');
    end if;
end $$;
CREATE FUNCTION public.exam_require_lease(e public.exam, p_lease bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    if e.lease_holder is distinct from rdc_person() or e.lease_no is distinct from p_lease then
        perform fail(409, format('the lease %s on exam %s is not the newest', p_lease, e.id),
            'claim the exam again; your draft is kept');
    end if;
end $$;
CREATE FUNCTION public.exam_require_shown(e public.exam, p_objects_digest text) RETURNS bytea
    LANGUAGE plpgsql
    AS $$
declare
    v_now bytea := exam_objects_digest(e.study_id);
begin
    perform exam_require_free(e);
    if v_now <> coalesce(decode(p_objects_digest, 'hex'), e.shown_digest) then
        perform fail(409, format('objects of exam %s changed since they were shown', e.id),
            'look at the exam again and sign with objects_digest ' || encode(v_now, 'hex'));
    end if;
    return v_now;
exception when invalid_parameter_value then
    perform fail(422, 'objects_digest must be hexadecimal', 'give back what claim returned');
end $$;
CREATE FUNCTION public.exam_resolve(p_exam bigint, p_patient text, p_reason text) RETURNS json
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
declare
    e exam := exam_take(p_exam, 'technician', 'doctor', 'admin');
    s study;
    v_object jsonb;
    v_before patient;
    v_after patient;
begin
    if e.centre_id is distinct from rdc_org() then
        perform fail(403, 'only the originating centre can do this');
    elsif e.quarantined_at is null then
        perform fail(409, format('exam %s is not quarantined', e.id), 'look at the exam again');
    elsif coalesce(p_patient, '') not in ('order', 'object') then
        perform fail(422, 'patient must be order or object', '{"patient": "order", "reason": "..."}');
    elsif coalesce(btrim(p_reason), '') = '' then
        perform fail(422, 'resolve needs a reason', '{"patient": "order", "reason": "..."}');
    end if;
    select * into s from study where id = e.study_id for update;
    select * into v_before from patient where id = s.patient_id;
    if p_patient = 'order' then
        select p.* into v_after from exam_order o join patient p on p.id = o.patient_id where o.id = e.order_id;
    else
        v_after := exam_object_patient(e, v_before);
    end if;
    update study set patient_id = v_after.id where id = s.id;
    insert into patient_correction (patient_id, order_id, exam_id, person_id, reason, before, after)
    values (v_after.id, e.order_id, e.id, rdc_person(), p_reason, patient_view(v_before), patient_view(v_after));
    update exam set quarantined_at = null, order_id = case when p_patient = 'order' then order_id end,
        conflicts = (select jsonb_agg(case when c ->> 'cause' = 'patient_order' and not c ? 'resolved'
                then c || jsonb_build_object('resolved', p_patient, 'by', rdc_person(), 'reason', p_reason)
                else c end order by n)
            from jsonb_array_elements(conflicts) with ordinality x(c, n))
    where id = e.id returning * into e;
    insert into exam_event (exam_id, person_id, event, from_state, to_state, detail)
    values (e.id, rdc_person(), 'resolve', e.state, e.state,
        jsonb_build_object('patient', p_patient, 'reason', p_reason));
    perform audit_write('resolve', 'exam', e.id, jsonb_build_object('patient', p_patient, 'reason', p_reason));
    return json_build_object('state', e.state, 'patient', patient_view(v_after), 'conflicts', e.conflicts);
end $$;
CREATE FUNCTION public.exam_resolve_object(p_exam bigint, p_object text, p_reason text) RETURNS json
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
declare
    e exam := exam_take(p_exam, 'technician', 'doctor', 'admin');
    i instance;
    v_detail jsonb := jsonb_build_object('object', lower(p_object), 'reason', p_reason);
begin
    if e.centre_id is distinct from rdc_org() then
        perform fail(403, 'only the originating centre can do this');
    elsif coalesce(btrim(p_reason), '') = '' then
        perform fail(422, 'resolve needs a reason', '{"object": "its sha256", "reason": "..."}');
    end if;
    select x.* into i from instance x join object o on o.id = x.object_id
    where x.study_id = e.study_id and not x.own and encode(o.sha256, 'hex') = lower(p_object);
    if i.id is null then
        perform fail(422, 'no object of this exam has that sha256', 'they stand in its instances');
    elsif not exists (select from jsonb_array_elements(e.conflicts) c
            where c ->> 'cause' = 'content' and c ->> 'sop_uid' = i.sop_uid) then
        perform fail(409, 'no other object has come under the UID of this one', 'look at the exam again');
    end if;
    if i.variant > 0 then
        perform instance_show(i, e);
    end if;
    e := conflict_note(e, i.sop_uid, null, jsonb_build_object('resolved', lower(p_object), 'by', rdc_person(),
        'reason', p_reason));
    insert into exam_event (exam_id, person_id, event, from_state, to_state, detail)
    select e.id, rdc_person(), 'resolve', e.state, state, v_detail from exam where id = e.id;
    perform audit_write('resolve', 'exam', e.id, v_detail);
    return json_build_object('state', e.state, 'conflicts', exam_conflicts(e));
end $$;
CREATE FUNCTION public.exam_route(e public.exam, p_event text) RETURNS public.exam
    LANGUAGE plpgsql
    AS $$
declare
    c contract;
begin
    select * into c from exam_contract(e.centre_id, e.line_id);
    if c.id is null then
        return case when e.state = 'arriving' then exam_move(e, 'unrouted') else e end;
    end if;
    update exam set hospital_id = c.hospital_id, contract_id = c.id,
        due_at = now() + make_interval(mins => c.within_minutes)
    where id = e.id returning * into e;
    return exam_move(e, p_event);
end $$;
CREATE FUNCTION public.exam_rows(p_exams bigint[]) RETURNS TABLE(place bigint, shown json)
    LANGUAGE sql STABLE
    AS $$
    select x.place, json_build_object(
        'id', e.id, 'state', e.state, 'state_at', e.state_at, 'priority', e.priority,
        'line', l.code, 'centre', c.code, 'centre_name', c.name, 'hospital', h.code,
        'patient', case when p.id is not null then json_build_object('id', p.patient_id, 'name', p.name,
            'sex', p.sex, 'birth_date', p.birth_date, 'charset_guessed', p.charset_guessed) end,
        'order', e.order_id, 'quarantined_at', e.quarantined_at,
        'study_uid', s.study_uid, 'accession', s.accession, 'description', s.description,
        'study_date', s.study_date,
        'modalities', (select coalesce(json_agg(distinct modality), '[]') from series
            where study_id = s.id and modality not in ('SR', 'DOC')),
        'objects', e.objects,
        'received_at', e.created_at, 'due_at', e.due_at,
        'held_by', case when e.lease_holder is not null then person_name(e.lease_holder) end,
        'lease_expires', e.lease_expires)
    from unnest(p_exams) with ordinality x (id, place)
        join exam e on e.id = x.id
        join study s on s.id = e.study_id
        left join patient p on p.id = s.patient_id
        left join line l on l.id = e.line_id
        left join organisation c on c.id = e.centre_id
        left join organisation h on h.id = e.hospital_id
$$;
CREATE FUNCTION public.exam_scope() RETURNS TABLE(centre_id bigint, line_id bigint)
    LANGUAGE sql STABLE
    AS $$
    select rdc_org(), null
    union select c.centre_id, c.line_id from contract c
    where c.hospital_id = rdc_org() and c.disabled_at is null and c.centre_id <> rdc_org()
$$;
CREATE FUNCTION public.exam_set_priority(p_exam bigint, p_priority text, p_reason text) RETURNS json
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
declare
    e exam := exam_take(p_exam, 'reader', 'doctor', 'technician', 'admin');
begin
    if rdc_org() is distinct from e.centre_id and rdc_org() is distinct from e.hospital_id then
        perform fail(403, 'only its centre and the hospital that reads it can do this');
    end if;
    if coalesce(p_priority, '') not in ('stat', 'urgent', 'routine') then
        perform fail(422, 'priority is missing or unknown', 'it is stat, urgent or routine');
    end if;
    if e.state in ('final', 'retracted', 'withdrawn') then
        perform fail(409, format('exam %s is %s: nobody waits for it', e.id, e.state));
    end if;
    if exam_alarmed(e.id) and p_priority <> 'stat' and coalesce(btrim(p_reason), '') = '' then
        perform fail(422, 'an alarm of its ECG raised this exam: to lower it needs a reason', '{"reason": "..."}');
    end if;
    update exam set priority = p_priority where id = e.id;
    insert into exam_event (exam_id, person_id, event, from_state, to_state, detail)
    values (e.id, rdc_person(), 'priority', e.state, e.state, jsonb_strip_nulls(jsonb_build_object(
        'priority', p_priority, 'priority_before', e.priority, 'reason', p_reason)));
    perform audit_write('priority', 'exam', e.id, jsonb_build_object('priority', p_priority, 'reason', p_reason));
    return json_build_object('state', e.state, 'priority', p_priority);
end $$;
CREATE FUNCTION public.exam_sign(p_exam bigint, p_lease bigint, p_objects_digest text) RETURNS json
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
declare
    e exam := exam_take_for_reading(p_exam);
    v_digest bytea;
    v_content jsonb;
    v_canonical text;
    r report;
begin
    perform exam_require_lease(e, p_lease);
    if e.state = 'writing' and exam_two_step(e) then
        perform fail(409, 'this contract has two steps', 'submit the report for review');
    end if;
    v_digest := exam_require_shown(e, p_objects_digest);
    v_content := exam_written_content(e);
    -- The text form of jsonb is canonical: one order of keys, no free white space.
    v_canonical := v_content::text;
    insert into report (exam_id, version, state, content, canonical, content_sha256, objects_digest, damaged,
        author_id, signer_id, sr_uid, sr_series_uid, pdf_uid, pdf_series_uid)
    select e.id, v, case when v = 1 then 'final' else 'amended' end, v_content, v_canonical,
        sha256(convert_to(v_canonical, 'UTF8')), v_digest, exam_damaged(e),
        case when e.state = 'reviewing' then e.author_id else rdc_person() end, rdc_person(),
        uid_new(), uid_new(), uid_new(), uid_new()
    from (select coalesce(max(version), 0) + 1 as v from report where exam_id = e.id) n
    returning * into r;
    e := exam_move(e, 'sign', jsonb_build_object('version', r.version));
    delete from draft where exam_id = e.id;
    -- One that is being sent is not called back: delivery_claim sees to what becomes of it.
    update delivery d set state = 'superseded'
    from report o
    where o.id = d.report_id and o.exam_id = e.id and o.id <> r.id and d.state in ('due', 'dead');
    insert into delivery (report_id, destination_id)
    select r.id, id from destination where org_id = e.centre_id and disabled_at is null;
    insert into job (kind, subject_id, priority) values ('render', r.id, e.priority);
    perform audit_write('sign', 'report', r.id, jsonb_build_object('exam', e.id,
        'content_sha256', encode(r.content_sha256, 'hex')));
    return json_build_object('state', e.state, 'version', r.version,
        'content_sha256', encode(r.content_sha256, 'hex'),
        'objects_digest', encode(r.objects_digest, 'hex'),
        'sr_uid', r.sr_uid, 'pdf_uid', r.pdf_uid);
end $$;
CREATE FUNCTION public.exam_submit(p_exam bigint, p_lease bigint, p_objects_digest text) RETURNS json
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
declare
    e exam := exam_take_for_reading(p_exam);
begin
    perform exam_require_lease(e, p_lease);
    if not exam_two_step(e) then
        perform fail(409, 'this contract has one step', 'sign the report');
    end if;
    perform exam_require_shown(e, p_objects_digest), exam_written_content(e);
    update exam set author_id = rdc_person() where id = e.id returning * into e;
    e := exam_move(e, 'submit');
    perform audit_write('submit', 'exam', e.id);
    return json_build_object('state', e.state);
end $$;
CREATE FUNCTION public.exam_take(p_exam bigint, VARIADIC p_roles text[]) RETURNS public.exam
    LANGUAGE plpgsql
    AS $$
declare
    e exam;
begin
    select * into e from exam where id = p_exam for update;
    if e.id is null or not sees_exam(e.centre_id, e.line_id) then
        perform fail(404, 'no such exam', 'list them with GET /api/v1/exams');
    end if;
    if coalesce(rdc_person_role(), '') <> all (p_roles) then
        perform fail(403, format('the role %s may not do this', rdc_person_role()),
            'it needs ' || array_to_string(p_roles, ' or '));
    end if;
    return e;
end $$;
CREATE FUNCTION public.exam_take_for_reading(p_exam bigint) RETURNS public.exam
    LANGUAGE plpgsql
    AS $$
declare
    e exam := exam_take(p_exam, 'reader');
begin
    if exam_reader(e) is distinct from rdc_org() then
        perform fail(403, 'this exam is read by another hospital', '');
    end if;
    return e;
end $$;
CREATE FUNCTION public.exam_two_step(e public.exam) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
    select coalesce((select two_step from contract where id = e.contract_id),
        (select two_step from line where id = e.line_id), false)
$$;
CREATE FUNCTION public.exam_worklist(p_limit integer) RETURNS json
    LANGUAGE plpgsql STABLE
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    AS $$
declare
    v_exams bigint[];
begin
    v_exams := array(select x.id from exam x
        where x.quarantined_at is null
            and (x.state in ('waiting', 'writing', 'written', 'reviewing', 'returned')
                 or (x.state = 'arriving' and x.priority = 'stat'))
            and (rdc_org() is null or rdc_org() in (x.hospital_id, x.centre_id)
                 or (x.state = 'arriving' and rdc_org() = exam_reader(x)))
        order by array_position(array['stat', 'urgent', 'routine'], x.priority),
            x.due_at nulls last, x.id
        limit p_limit);
    return (select json_build_object('exams', coalesce(json_agg(e.shown order by e.place), '[]'))
        from exam_rows(v_exams) e);
end $$;
CREATE FUNCTION public.exam_written_content(e public.exam) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
    v jsonb := (select content from draft where exam_id = e.id);
begin
    if coalesce(btrim(v ->> 'impression'), '') = '' or coalesce(btrim(v ->> 'findings'), '') = '' then
        perform fail(422, 'a report needs findings and an impression', 'save them with PUT …/draft first');
    end if;
    return v;
end $$;
CREATE FUNCTION public.fail(p_status integer, p_message text, p_hint text DEFAULT NULL::text) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    raise exception using errcode = 'RD' || p_status, message = p_message, hint = coalesce(p_hint, '');
end $$;
CREATE FUNCTION public.fhir_find(p_system text, p_value text) RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
    select coalesce(jsonb_agg(order_row(o) order by o.id), '[]')
    from order_identified(rdc_org(), p_system, p_value) o
$$;
CREATE FUNCTION public.fhir_order(p jsonb) RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
    select p || jsonb_strip_nulls(jsonb_build_object(
        'modality', coalesce(p ->> 'modality', c.modality),
        'description', coalesce(p ->> 'description', c.description)))
    from (select 1) x left join lateral (
        select k.modality, k.description from hl7_code k join hl7_sender s on s.id = k.sender_id
        where s.org_id = rdc_org() and k.code = p ->> 'procedure_code' order by s.id limit 1) c on true
$$;
CREATE FUNCTION public.fhir_put(p_requests jsonb, p_atomic boolean) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
declare
    r jsonb;
    n int := 0;
    v jsonb := '[]';
    v_hint text;
    v_constraint text;
begin
    perform upload_permit();
    for r in select * from jsonb_array_elements(p_requests) loop
        begin
            v := v || jsonb_build_array(case when r ? 'order' then fhir_put_one(r) else r end);
        exception when others then
            get stacked diagnostics v_hint = pg_exception_hint, v_constraint = constraint_name;
            if p_atomic or (sqlstate !~ '^RD4' and sqlstate !~ '^2[23]') then
                raise exception using errcode = sqlstate, message = sqlerrm, hint = v_hint,
                    constraint = v_constraint, detail = n::text;
            end if;
            v := v || jsonb_build_array(jsonb_build_object('sqlstate', sqlstate, 'message', sqlerrm,
                'hint', v_hint, 'constraint', v_constraint));
        end;
        n := n + 1;
    end loop;
    return v;
end $$;
CREATE FUNCTION public.fhir_put_one(r jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
    p jsonb := fhir_order(r -> 'order');
    v_found bigint[];
    v_final boolean := coalesce(r #>> '{order,control}', '') <> '';
    v_version bigint;
    v jsonb;
begin
    if r ? 'identifier' then
        v_found := array(select id from order_identified(rdc_org(), r #>> '{identifier,system}',
            r #>> '{identifier,value}'));
    elsif r ? 'id' then
        v_found := array(select id from exam_order where centre_id = rdc_org() and id = (r ->> 'id')::bigint);
    end if;
    if cardinality(v_found) > 1 then
        perform fail(412, format('%s orders have this identifier', cardinality(v_found)),
            'name the system too: identifier=SYSTEM|VALUE');
    end if;
    -- R4 http.html 3.1.0.8.1: who finds one is given that one.
    if r ->> 'method' = 'POST' and cardinality(v_found) = 1 then
        return jsonb_build_object('status', 200,
            'order', (select order_row(o) from exam_order o where o.id = v_found[1]));
    end if;
    if cardinality(v_found) = 1 then
        select count(*) into v_version from exam_order_event where order_id = v_found[1];
        if r ? 'version' and (r ->> 'version')::bigint <> v_version then
            perform fail(412, format('the order has version %s now', v_version), 'read it again, then change it');
        end if;
        v := order_upsert(p || jsonb_build_object('id', v_found[1], 'centre_id', rdc_org(), 'replace', true,
            'control', case when v_final then p ->> 'control' else 'change' end));
        return jsonb_build_object('status', 200, 'order', v);
    end if;
    -- R4 http.html 3.1.0.4.1: an id of the client's making is not taken.
    if r ? 'id' then
        perform fail(405, 'there is no such order, and its id is made here',
            'POST it, or PUT it to ServiceRequest?identifier=SYSTEM|VALUE');
    elsif v_final then
        perform fail(422, 'a new order must be active, draft or on-hold', 'there is no order to end');
    end if;
    v := order_upsert(p || jsonb_build_object('centre_id', rdc_org(), 'control', 'new'));
    return jsonb_build_object('status', 201, 'order', v);
end $$;
CREATE FUNCTION public.hl7_location(p_constraint text) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$
    select location from (values ('exam_order_accession', 'OBR^1^18'), ('exam_order_placer', 'ORC^1^2'),
        ('exam_order_filler', 'ORC^1^3'), ('exam_order_study', 'ZDS^1^1'), ('exam_order_procedure', 'OBR^1^4'),
        ('exam_order_description', 'OBR^1^4'), ('exam_order_modality', 'IPC^1^5'),
        ('exam_order_station', 'IPC^1^9'), ('exam_order_location', 'IPC^1^8'),
        ('exam_order_requester', 'ORC^1^12'), ('exam_order_referrer', 'PV1^1^8'),
        ('exam_order_admission', 'PV1^1^19'), ('patient_', 'PID^1^3')) x(prefix, location)
    where p_constraint like prefix || '%' limit 1
$$;
CREATE TABLE public.hl7_sender (
    id bigint NOT NULL,
    org_id bigint NOT NULL,
    app text NOT NULL,
    facility text NOT NULL,
    address cidr,
    charset text,
    certificate text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    disabled_at timestamp with time zone,
    CONSTRAINT hl7_sender_certificate_form CHECK ((certificate ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT hl7_sender_charset_known CHECK ((upper(charset) = ANY (ARRAY['UTF-8'::text, 'UNICODE UTF-8'::text, 'UNICODE'::text, 'GB18030'::text, 'GB 18030-2000'::text, 'GBK'::text, 'GB2312'::text, 'GB 2312'::text, 'CP936'::text, '8859/1'::text])))
);
ALTER TABLE ONLY public.hl7_sender FORCE ROW LEVEL SECURITY;
COMMENT ON CONSTRAINT hl7_sender_charset_known ON public.hl7_sender IS 'known character sets are UTF-8, GB18030, GBK and 8859/1, also by the names UNICODE UTF-8, UNICODE, GB 18030-2000, GB2312 and CP936';
CREATE FUNCTION public.hl7_order(s public.hl7_sender, p jsonb) RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
    select p - case when length(p ->> 'procedure_code') > 16 or length(p ->> 'procedure_scheme') > 16
            then array['procedure_code', 'procedure_scheme'] else '{}' end
        || jsonb_strip_nulls(jsonb_build_object('centre_id', s.org_id,
            'placer_issuer', coalesce(nullif(p ->> 'placer_issuer', ''), s.app),
            'modality', coalesce(c.modality, nullif(p ->> 'modality', '')),
            'description', coalesce(c.description, nullif(p ->> 'description', ''),
                case when length(p ->> 'procedure_code') > 16 then left(p ->> 'procedure_code', 64) end)))
    from (select 1) x left join hl7_code c on c.sender_id = s.id and c.code = p ->> 'procedure_code'
$$;
CREATE FUNCTION public.hl7_receive(p_sender bigint, p_control text, p_digest bytea, p_orders jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
declare
    s hl7_sender;
    m hl7_message;
    v jsonb;
    v_hint text;
    v_constraint text;
    v_unmapped boolean;
begin
    select * into strict s from hl7_sender where id = p_sender;
    -- A sender that waited too long for its answer sends again, perhaps beside the first.
    perform order_turn(s.org_id);
    select * into m from hl7_message where sender_id = p_sender and control_id = p_control for update;
    if m.control_id is not null and m.digest = p_digest then
        return m.answer;
    elsif m.control_id is not null then
        return jsonb_build_object('code', 'AE', 'error_code', '205', 'error_name', 'Duplicate key identifier',
            'location', 'MSH^1^10', 'text', 'another message came under this control ID');
    end if;
    begin
        for v in select * from jsonb_array_elements(p_orders) loop
            if v ->> 'control' = 'patient' then
                perform patient_update(s.org_id, v);
            else
                perform order_upsert(hl7_order(s, v));
            end if;
        end loop;
        v := '{"code": "AA"}';
    exception when others then
        if sqlstate !~ '^RD4' and sqlstate !~ '^2[23]' then
            raise;
        end if;
        get stacked diagnostics v_hint = pg_exception_hint, v_constraint = constraint_name;
        v_unmapped := sqlerrm = 'an order needs modality';
        -- What is wrong with the order may be mended: the same message may come again.
        return jsonb_build_object('code', 'AE', 'error_code',
            case when sqlstate = 'RD404' then '204' when sqlerrm like 'an order needs %' then '101'
                when sqlstate = '23505' then '205' when sqlstate ~ '^2[23]' or sqlstate = 'RD422' then '102' else '207' end,
            'error_name', case when sqlstate = 'RD404' then 'Unknown key identifier'
                when sqlerrm like 'an order needs %' then 'Required field missing'
                when sqlstate = '23505' then 'Duplicate key identifier'
                when sqlstate ~ '^2[23]' or sqlstate = 'RD422' then 'Data type error' else 'Application internal error' end,
            'location', case when v_unmapped then 'OBR^1^24' when sqlerrm ~ 'patient_name' then 'PID^1^5'
                when sqlerrm ~ 'birth_date' then 'PID^1^7' else hl7_location(v_constraint) end,
            'text', case when v_unmapped then hl7_unmapped(s, v ->> 'procedure_code')
                when sqlerrm = 'this is not a date and time'
                then 'TQ1-7, OBR-36, OBR-27 or ORC-7 has no date and time: YYYYMMDD, or YYYYMMDDHHMM with or without +ZZZZ'
                when sqlstate ~ '^RD' then concat_ws(': ', sqlerrm, nullif(v_hint, ''))
                when sqlstate = '23505' then 'another order of the centre has this number already'
                else 'a value does not fit' end);
    end;
    insert into hl7_message (sender_id, control_id, digest, answer)
    values (p_sender, p_control, p_digest, v);
    delete from hl7_message where received_at < now() - interval '30 days';
    return v;
end $$;
CREATE FUNCTION public.hl7_sender_find(p_app text, p_facility text, p_address inet, p_certificate text DEFAULT NULL::text) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
declare
    s hl7_sender;
begin
    select x.* into s from hl7_sender x join organisation o on o.id = x.org_id
    where x.app = p_app and x.facility = p_facility and x.disabled_at is null and o.disabled_at is null
        and (x.address is null or p_address <<= x.address)
    order by masklen(x.address) desc nulls last limit 1;
    if s.certificate <> coalesce(p_certificate, '') then
        return jsonb_build_object('cause',
            case when p_certificate is null then 'certificate_missing' else 'certificate_unknown' end);
    elsif s.id is not null then
        return jsonb_build_object('id', s.id, 'charset', s.charset);
    end if;
    return jsonb_build_object('cause', case
        when not exists (select from hl7_sender where app = p_app and facility = p_facility) then 'unknown'
        when exists (select from hl7_sender x join organisation o on o.id = x.org_id
            where app = p_app and facility = p_facility and x.disabled_at is null and o.disabled_at is null)
            then 'wrong_address'
        else 'disabled' end);
end $$;
CREATE FUNCTION public.hl7_sender_id(p_name text) RETURNS bigint
    LANGUAGE plpgsql STABLE
    AS $$
declare
    v bigint[];
begin
    select array_agg(id) into v from hl7_sender where app || '^' || facility = p_name;
    if v is null then
        perform fail(404, format('no HL7 sender %s', p_name), 'list them with: rdc hl7 list');
    elsif cardinality(v) > 1 then
        perform fail(409, format('%s senders are called %s', cardinality(v), p_name), 'disable one of them first');
    end if;
    return v[1];
end $$;
CREATE FUNCTION public.hl7_unmapped(s public.hl7_sender, p_code text) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$
    select 'OBR-24 and IPC-5 name no modality, and ' || case when coalesce(p_code, '') = '' then 'OBR-4 has no code'
        else format('no map names one for the code of OBR-4: rdc hl7 map "%s^%s" --code "%s" --modality M',
            s.app, s.facility, p_code) end
$$;
CREATE FUNCTION public.ingest_against_order(e public.exam, p jsonb) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
    v_against text[] := order_against(e.order_id, p ->> 'patient_id', p ->> 'patient_name',
        p ->> 'birth_date', p ->> 'sex');
    v_corrected timestamptz;
    v_object jsonb := jsonb_build_object('id', nullif(btrim(p ->> 'patient_id'), ''),
        'name', p ->> 'patient_name', 'birth_date', dicom_date(p ->> 'birth_date'),
        'sex', case when p ->> 'sex' in ('M', 'F', 'O') then p ->> 'sex' end);
begin
    if cardinality(v_against) = 0 or e.conflicts @> jsonb_build_array(jsonb_build_object(
            'cause', 'patient_order', 'object', v_object)) then
        return;
    end if;
    v_corrected := order_corrected_at(e.order_id, p, v_against);
    if v_corrected is not null then
        update exam set conflicts = conflicts || jsonb_build_object('cause', 'patient_corrected', 'at', now(),
            'sop_uid', p ->> 'sop_uid', 'what', v_against, 'order', e.order_id, 'object', v_object,
            'corrected_at', v_corrected)
        where id = e.id and not conflicts @> jsonb_build_array(jsonb_build_object(
            'cause', 'patient_corrected', 'object', v_object));
        return;
    end if;
    update exam set quarantined_at = coalesce(quarantined_at, now()),
        conflicts = conflicts || jsonb_build_object('cause', 'patient_order', 'at', now(),
            'sop_uid', p ->> 'sop_uid', 'what', v_against, 'order', e.order_id, 'object', v_object)
    where id = e.id;
    insert into exam_event (exam_id, person_id, event, from_state, to_state, detail)
    values (e.id, rdc_person(), 'quarantine', e.state, e.state, jsonb_build_object('what', v_against));
end $$;
CREATE FUNCTION public.ingest_conflict(e public.exam, p_cause text, p jsonb) RETURNS void
    LANGUAGE sql
    AS $$
    update exam set conflicts = conflicts || jsonb_build_object('cause', p_cause, 'at', now(),
        'sop_uid', p ->> 'sop_uid', 'sha256', p ->> 'sha256')
    where id = e.id
$$;
CREATE FUNCTION public.ingest_exam(s public.study, p jsonb) RETURNS public.exam
    LANGUAGE plpgsql
    AS $$
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
CREATE FUNCTION public.ingest_exam_grew(e public.exam, p jsonb, p_first boolean) RETURNS void
    LANGUAGE plpgsql
    AS $$
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
CREATE FUNCTION public.ingest_one(p jsonb, p_metadata json) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
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
CREATE FUNCTION public.ingest_patient(p_centre bigint, p jsonb) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
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
CREATE FUNCTION public.ingest_plain(p_batch jsonb, p_metadata json[]) RETURNS jsonb[]
    LANGUAGE plpgsql
    AS $$
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
CREATE FUNCTION public.ingest_series(p_study bigint, p jsonb) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
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
CREATE FUNCTION public.ingest_store(p_batch jsonb, p_metadata json[] DEFAULT '{}'::json[]) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
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
CREATE FUNCTION public.ingest_study(p_centre bigint, p jsonb) RETURNS public.study
    LANGUAGE plpgsql
    AS $$
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
CREATE FUNCTION public.instance_file(p_uid text) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    AS $$
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
CREATE FUNCTION public.instance_show(i public.instance, e public.exam) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
    v_was bigint := (select id from instance where sop_uid = i.sop_uid and centre_id = i.centre_id and variant = 0);
begin
    update instance set variant = -1 where id = v_was;
    update instance set variant = 0 where id = i.id;
    update instance set variant = i.variant where id = v_was;
    i.variant := 0;
    if ecg_class(i.sop_class) then
        insert into job (kind, subject_id, priority) values ('measure', i.id, e.priority) on conflict do nothing;
    end if;
    perform advice_check(i, e);
    if e.state = 'final' then
        perform exam_move(e, 'late');
    end if;
end $$;
CREATE FUNCTION public.integrity_findings() RETURNS TABLE(kind text, subject text, detail text, open boolean)
    LANGUAGE sql STABLE
    AS $$
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
CREATE FUNCTION public.integrity_repair() RETURNS void
    LANGUAGE sql
    AS $$
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
CREATE FUNCTION public.integrity_rerender(p_object bigint, p_location text) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
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
CREATE FUNCTION public.job_claim(p_kind text, p_limit integer, p_lease_seconds integer, p_first boolean DEFAULT false) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $_$
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
end $_$;
CREATE FUNCTION public.job_failed(p_job bigint, p_error text, p_retry_seconds integer) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
    update job set state = case when attempts >= 2 then 'quarantined' else 'queued' end,
        attempts = attempts + 1, lease_until = null, last_error = left(p_error, 500),
        run_at = now() + make_interval(secs => p_retry_seconds)
    where id = p_job and state = 'running' and owner is not distinct from job_owner()
$$;
CREATE FUNCTION public.job_owner() RETURNS text
    LANGUAGE sql STABLE
    AS $$
    select coalesce(current_setting('rdc.worker', true), '')
$$;
CREATE FUNCTION public.job_put_back(p_job bigint, p_error text, p_retry_seconds integer) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
    update job set state = 'queued', lease_until = null,
        put_back = put_back + (p_retry_seconds > 0)::int, last_error = coalesce(left(p_error, 500), last_error),
        run_at = now() + make_interval(secs => least(600, p_retry_seconds * power(2, least(put_back, 10))))
    where id = p_job and state = 'running' and owner is not distinct from job_owner()
$$;
CREATE FUNCTION public.job_renew(p_jobs bigint[], p_lease_seconds integer) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
    update job set lease_until = now() + make_interval(secs => p_lease_seconds)
    where id = any (p_jobs) and state = 'running' and owner is not distinct from job_owner()
$$;
CREATE FUNCTION public.line_id(p_code text) RETURNS bigint
    LANGUAGE plpgsql STABLE
    AS $$
declare
    v bigint := (select id from line where code = p_code);
begin
    if v is null then
        perform fail(404, format('no line %s', p_code),
            'known: ' || (select string_agg(code, ', ' order by code) from line));
    end if;
    return v;
end $$;
CREATE FUNCTION public.look_kind(p_sop_class text, p_syntax text) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $_$
    select case when ecg_class(p_sop_class) then 'measure'
        when p_syntax ~ '^1\.2\.840\.10008\.1\.2\.(4\.(5\d|6\d|70|80|81|90|91)|5)$' then 'pixels' end
$_$;
CREATE FUNCTION public.manifest_covers(p_centre bigint, p_study_uid text) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
    select exists (select from evidence v
        where v.study_uid = p_study_uid and v.centre_id = p_centre and v.kind = 'manifest')
$$;
CREATE FUNCTION public.manifest_put(p jsonb) RETURNS jsonb
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$ select manifest_take((upload_permit() ->> 'centre_id')::bigint, p) $$;
CREATE FUNCTION public.manifest_take(p_centre bigint, p jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
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
CREATE FUNCTION public.measure_done(p_jobs bigint[], p_instances bigint[], p_figures text[], p_earlier bigint[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
declare
    v record;
    v_instance instance;
begin
    for v in select m.instance, m.figures, nullif(m.earlier, 0) as earlier, x.exam
        from unnest(p_instances, p_figures, p_earlier) m(instance, figures, earlier) cross join lateral (
            select s.study_uid, i.sop_uid, e.id as exam
            from instance i join study s on s.id = i.study_id join exam e on e.study_id = s.id
            where i.id = m.instance offset 0) x
        order by x.study_uid, x.sop_uid loop
        select * into v_instance from instance where id = v.instance;
        begin
            if not ecg_class(v_instance.sop_class) then
                perform advice_damage(v.instance, 'image_damaged', v.figures::jsonb ->> 'damage')
                where v.figures like '{"damage"%';
                continue;
            end if;
            perform ecg_measured(v_instance, v.exam, case when v.figures like '!%' then ecg_unmeasured(substr(v.figures, 2))
                else v.figures::jsonb end, v.earlier);
        exception
            when data_exception or integrity_constraint_violation then
                raise warning 'figures of instance % cannot be kept: %', v.instance, sqlerrm;
        end;
    end loop;
    delete from job where id = any (p_jobs);
end $$;
CREATE FUNCTION public.measure_input(p_instance bigint) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    AS $$
begin
    return (select jsonb_build_object('location', o.location, 'limits', ecg_limits(), 'earlier', ecg_earlier(p_instance))
        from instance i join object o on o.id = i.object_id where i.id = p_instance);
end $$;
CREATE FUNCTION public.metadata_done(p_job bigint, p_instance bigint, p_metadata json, p_short text DEFAULT NULL::text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
begin
    update instance set metadata = p_metadata where id = p_instance;
    delete from job where id = p_job;
    perform advice_damage(p_instance, 'image_damaged', p_short) where p_short is not null;
    return check_wanted(array[p_instance]);
end $$;
CREATE FUNCTION public.mpps_create(p_centre bigint, p_device bigint, p_uid text, p jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $_$
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
end $_$;
CREATE FUNCTION public.mpps_set(p_centre bigint, p_device bigint, p_uid text, p jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
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
CREATE FUNCTION public.name_hanzi(p_name text) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$ select nullif(regexp_replace(p_name, '[\u0001-\u024f]', '', 'g'), '') $$;
CREATE FUNCTION public.name_key(p_name text, p_pinyin text) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$ select nullif(regexp_replace(upper(split_part(coalesce(nullif(p_pinyin, ''), p_name), '=', 1)), '[^A-Z]', '', 'g'), '') $$;
CREATE FUNCTION public.noun_kept() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    raise exception using errcode = 'restrict_violation',
        message = format('rows of %I are not deleted', tg_table_name), hint = tg_argv[0];
end $$;
CREATE FUNCTION public.object_broken(p_instance bigint, p_why text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
begin
    perform advice_damage(id, 'object_damaged', p_why) from instance where id = p_instance and not ecg_class(sop_class);
end $$;
CREATE FUNCTION public.object_damage(p_ids bigint[]) RETURNS void
    LANGUAGE sql
    AS $$
    update object set damaged_at = coalesce(damaged_at, now()) where id = any (p_ids)
$$;
CREATE FUNCTION public.object_damaged(p_locations jsonb) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
    select object_damage(array(select id from object
        where location in (select jsonb_array_elements_text(p_locations))))
$$;
CREATE FUNCTION public.object_insert(p jsonb) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
declare
    v_id bigint;
begin
    insert into object (location, sha256, size, media)
    values (p ->> 'location', decode(p ->> 'sha256', 'hex'), (p ->> 'size')::bigint,
        coalesce(p ->> 'media', 'application/dicom'))
    returning id into v_id;
    return v_id;
end $$;
CREATE FUNCTION public.object_known(p_locations text[]) RETURNS text[]
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
begin
    if not exists (select from object) then
        perform fail(409, 'the index is empty, the store is not', 'rdc fsck --rebuild');
    end if;
    return (select coalesce(array_agg(location), '{}') from object where location = any (p_locations));
end $$;
CREATE FUNCTION public.object_replace(p_id bigint, p jsonb) RETURNS text
    LANGUAGE plpgsql
    AS $$
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
CREATE FUNCTION public.order_against(p_order bigint, p_patient_id text, p_name text, p_birth text, p_sex text) RETURNS text[]
    LANGUAGE plpgsql STABLE
    AS $$
begin
    return (select case when p.patient_id <> nullif(btrim(p_patient_id), '')
                and p.patient_id <> order_stand_in(o.accession) then '{patient_id}' else '{}' end::text[]
            || patient_contradictions(p.name, p.pinyin, p.birth_date, p.sex, p_name, null,
                dicom_date(p_birth), nullif(p_sex, ''))
        from exam_order o join patient p on p.id = o.patient_id where o.id = p_order);
end $$;
CREATE FUNCTION public.order_conflicts(o public.exam_order) RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
    select coalesce(jsonb_agg(jsonb_build_object('cause', 'resident_id', 'what', c)), '[]')
    from patient p, unnest(resident_id_contradictions(coalesce(p.resident_id, p.patient_id),
        p.birth_date, p.sex)) c
    where p.id = o.patient_id
$$;
CREATE FUNCTION public.order_corrected_at(p_order bigint, p jsonb, p_against text[]) RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    AS $$
    select max(c.at)
    from exam_order o join patient q on q.id = o.patient_id join patient_correction c on c.patient_id = q.id
    where o.id = p_order and cardinality(p_against) = 1 and c.exam_id is null and c.at > o.created_at
        and q.patient_id = btrim(p ->> 'patient_id') and c.before ->> 'id' = q.patient_id
        and case p_against[1] when 'name' then q.birth_date = dicom_date(p ->> 'birth_date')
            when 'patient_id' then false
            else coalesce(name_hanzi(p ->> 'patient_name'), name_key(p ->> 'patient_name', null)) is not null end
        and cardinality(patient_contradictions(c.before ->> 'name', c.before ->> 'pinyin',
            (c.before ->> 'birth_date')::date, c.before ->> 'sex', p ->> 'patient_name', null,
            dicom_date(p ->> 'birth_date'), nullif(p ->> 'sex', ''))) = 0
$$;
CREATE FUNCTION public.order_expects(o public.exam_order) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
    select o.state <> 'cancelled' or (select x.event = 'discontinue' from exam_order_event x
        where x.order_id = o.id and x.to_state = 'cancelled' order by x.id desc limit 1)
$$;
CREATE FUNCTION public.order_fill(o public.exam_order, p jsonb) RETURNS public.exam_order
    LANGUAGE plpgsql
    AS $$
declare
    v_zone text := (select timezone from organisation where id = o.centre_id);
    v_priority text := o.priority;
begin
    update exam_order set
        accession = coalesce(nullif(p ->> 'accession', ''), accession),
        placer_number = coalesce(nullif(p ->> 'placer_number', ''), placer_number),
        placer_issuer = coalesce(p ->> 'placer_issuer', placer_issuer),
        filler_number = coalesce(nullif(p ->> 'filler_number', ''), filler_number),
        procedure_code = order_value(p, 'procedure_code', procedure_code),
        procedure_scheme = order_value(p, 'procedure_scheme', procedure_scheme),
        description = order_value(p, 'description', description),
        modality = coalesce(upper(nullif(p ->> 'modality', '')), modality),
        line_id = (select id from line where coalesce(upper(nullif(p ->> 'modality', '')), o.modality) = any (modalities)
            and disabled_at is null order by id limit 1),
        station = order_value(p, 'station', station),
        station_name = order_value(p, 'station_name', station_name),
        location = order_value(p, 'location', location),
        scheduled_at = coalesce(order_time(nullif(p ->> 'scheduled_at', ''), v_zone), scheduled_at),
        priority = coalesce(lower(nullif(p ->> 'priority', '')), priority),
        requester = order_value(p, 'requester', requester),
        referrer = order_value(p, 'referrer', referrer),
        performer = order_value(p, 'performer', performer),
        admission_id = order_value(p, 'admission_id', admission_id),
        reason = order_value(p, 'reason', reason)
    where id = o.id returning * into o;
    update exam_order set conflicts = order_conflicts(o) where id = o.id returning * into o;
    if o.priority <> v_priority then
        update exam set priority = o.priority where order_id = o.id and priority <> o.priority
            and state not in ('final', 'retracted', 'withdrawn') and not exam_alarmed(id);
    end if;
    return o;
end $$;
CREATE FUNCTION public.order_find(p_centre bigint, p jsonb) RETURNS public.exam_order
    LANGUAGE plpgsql
    AS $$
declare
    o exam_order;
begin
    if p ? 'id' then
        select * into o from exam_order where centre_id = p_centre and id = (p ->> 'id')::bigint for update;
    elsif nullif(p ->> 'placer_number', '') is not null then
        select * into o from exam_order where centre_id = p_centre
            and placer_issuer = coalesce(p ->> 'placer_issuer', '')
            and placer_number = p ->> 'placer_number' for update;
    elsif nullif(p ->> 'accession', '') is not null then
        select * into o from exam_order where centre_id = p_centre and accession = p ->> 'accession' for update;
    elsif nullif(p ->> 'filler_number', '') is not null then
        select * into o from exam_order where centre_id = p_centre
            and filler_number = p ->> 'filler_number' order by id desc limit 1 for update;
    end if;
    return o;
end $$;
CREATE FUNCTION public.order_get(p_order bigint) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    AS $$
declare
    v jsonb := (select order_row(o) || jsonb_build_object(
            'candidates', (select patient_candidates(p) from patient p where p.id = o.patient_id),
            'events', (select coalesce(jsonb_agg(jsonb_build_object('at', x.at, 'event', x.event,
                    'from', x.from_state, 'to', x.to_state, 'by', person_name(x.person_id)) order by x.id), '[]')
                from exam_order_event x where x.order_id = o.id))
        from exam_order o where o.id = p_order);
begin
    if v is null then
        perform fail(404, 'no such order', 'list them with GET /api/v1/orders or rdc order list');
    end if;
    return v;
end $$;
CREATE FUNCTION public.order_hold(o public.exam_order, p_hold boolean) RETURNS public.exam_order
    LANGUAGE plpgsql
    AS $$
begin
    if p_hold and o.state <> 'held' then
        return order_move(o, 'hold');
    elsif not p_hold and o.state = 'held' then
        return order_move(o, 'resume');
    end if;
    return o;
end $$;
CREATE FUNCTION public.order_identified(p_centre bigint, p_system text, p_value text) RETURNS SETOF public.exam_order
    LANGUAGE sql STABLE
    AS $$
    select * from exam_order where centre_id = p_centre and placer_number = p_value
        and (p_system is null or placer_issuer = p_system)
    union select * from exam_order where centre_id = p_centre and accession = p_value
    union select * from exam_order where centre_id = p_centre and study_uid = replace(p_value, 'urn:oid:', '')
        and coalesce(p_system, '') in ('', 'urn:dicom:uid')
$$;
CREATE FUNCTION public.order_insert(p_centre bigint, p jsonb) RETURNS public.exam_order
    LANGUAGE plpgsql
    AS $$
declare
    o exam_order;
    v_zone text := (select timezone from organisation where id = p_centre);
    v_id bigint := nextval(pg_get_serial_sequence('exam_order', 'id'));
    v_accession text := coalesce(nullif(p ->> 'accession', ''), 'R' || v_id);
    k text;
begin
    foreach k in array array['modality', 'patient_name'] loop
        if coalesce(btrim(p ->> k), '') = '' then
            perform fail(422, format('an order needs %s', k), 'see docs/openapi.yaml');
        end if;
    end loop;
    insert into exam_order (id, centre_id, accession, placer_number, placer_issuer, filler_number,
        patient_id, study_uid, modality, scheduled_at)
    overriding system value
    values (v_id, p_centre, v_accession,
        nullif(p ->> 'placer_number', ''), coalesce(p ->> 'placer_issuer', ''), nullif(p ->> 'filler_number', ''),
        order_patient(p_centre, p || jsonb_build_object('accession', v_accession), null), coalesce(nullif(p ->> 'study_uid', ''), uid_new()), upper(p ->> 'modality'),
        coalesce(order_time(nullif(p ->> 'scheduled_at', ''), v_zone), now()))
    returning * into o;
    insert into exam_order_event (order_id, person_id, event, from_state, to_state)
    values (o.id, rdc_person(), 'schedule', null, o.state);
    return o;
end $$;
CREATE FUNCTION public.order_list(p_state text, p_accession text, p_patient text, p_limit integer) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    AS $$
begin
    if p_state is not null and p_state not in ('scheduled', 'held', 'started', 'done', 'cancelled') then
        perform fail(422, 'state is unknown', 'known are scheduled, held, started, done, cancelled');
    end if;
    return (select jsonb_build_object('orders', coalesce(jsonb_agg(order_row(o) order by o.id), '[]'))
        from exam_order o where o.id = any (order_newest(p_state, p_accession, p_patient, p_limit))
            and (p_state is null or o.state = p_state)
            and (p_patient is null or exists (select from patient t
                where t.id = o.patient_id and t.patient_id = p_patient)));
end $$;
CREATE FUNCTION public.order_move(o public.exam_order, p_event text, p_detail jsonb DEFAULT NULL::jsonb) RETURNS public.exam_order
    LANGUAGE plpgsql
    AS $$
declare
    v_next text := (select next_state from exam_order_transition where state = o.state and event = p_event);
    v exam_order;
begin
    if v_next is null then
        perform fail(409, format('order %s is %s: %s is not possible', o.id, o.state, p_event),
            'look at the order again');
    end if;
    update exam_order set state = v_next, state_at = now() where id = o.id and state = o.state returning * into v;
    if v.id is null then
        perform fail(409, format('order %s was changed by somebody else', o.id), 'look at the order again');
    end if;
    insert into exam_order_event (order_id, person_id, event, from_state, to_state, detail)
    values (o.id, rdc_person(), p_event, o.state, v_next, p_detail);
    return v;
end $$;
CREATE FUNCTION public.order_moved(o public.exam_order) RETURNS void
    LANGUAGE sql
    AS $$
    select ingest_against_order(e, jsonb_build_object('patient_id', p.patient_id, 'patient_name', p.name,
        'birth_date', to_char(p.birth_date, 'YYYYMMDD'), 'sex', p.sex))
    from exam e join study s on s.id = e.study_id join patient p on p.id = s.patient_id
    where e.order_id = o.id and p.id <> o.patient_id and e.state <> 'withdrawn'
$$;
CREATE FUNCTION public.order_newest(p_state text, p_accession text, p_patient text, p_limit integer) RETURNS bigint[]
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'public'
    SET plan_cache_mode TO 'force_custom_plan'
    AS $$
begin
    if p_accession is not null then
        return array(select o.id from exam_scope() s, exam_order o
            where o.centre_id = s.centre_id and o.accession = p_accession
                and (s.line_id is null or o.line_id = s.line_id));
    elsif p_patient is not null then
        return array(select o.id from exam_scope() s, patient t, exam_order o
            where t.issuer_id = s.centre_id and t.patient_id = p_patient and o.patient_id = t.id
                and o.centre_id = s.centre_id and (s.line_id is null or o.line_id = s.line_id)
                and (p_state is null or o.state = p_state)
            order by o.id desc limit p_limit);
    elsif p_state is not null then
        return array(select o.id from exam_scope() s, lateral (
            select x.id from exam_order x where x.centre_id = s.centre_id and x.state between p_state and p_state
                and (s.line_id is null or x.line_id = s.line_id)
            order by x.state desc, x.id desc limit p_limit) o order by o.id desc limit p_limit);
    end if;
    return array(select o.id from exam_scope() s, lateral (
        select x.id from exam_order x where x.centre_id between s.centre_id and s.centre_id
            and (s.line_id is null or x.line_id = s.line_id)
        order by x.centre_id desc, x.id desc limit p_limit) o order by o.id desc limit p_limit);
end $$;
CREATE FUNCTION public.order_notes(p_order jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$
    select 'the resident ID does not fit: ' || string_agg(replace(c ->> 'what', '_', ' '), ', ')
    from jsonb_array_elements(p_order -> 'conflicts') c where c ->> 'cause' = 'resident_id'
$$;
CREATE FUNCTION public.order_of_study(p_centre bigint, p_study_uid text, p_accession text) RETURNS bigint
    LANGUAGE plpgsql STABLE
    AS $$
begin
    return coalesce(
        (select id from exam_order o where study_uid = p_study_uid and centre_id + 0 = p_centre
            and order_expects(o)),
        (select id from exam_order o where accession = nullif(btrim(p_accession), '') and centre_id + 0 = p_centre
            and order_expects(o)));
end $$;
CREATE FUNCTION public.order_patient(p_centre bigint, p jsonb, p_old bigint) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
declare
    v patient;
    v_pid text := nullif(btrim(p ->> 'patient_id'), '');
    v_birth date := coalesce(dicom_date(p ->> 'birth_date'),
        dicom_date(replace(p ->> 'birth_date', '-', '')));
    v_against text[];
begin
    if nullif(p ->> 'birth_date', '') is not null and v_birth is null then
        perform fail(422, 'birth_date is not a date', 'YYYYMMDD or YYYY-MM-DD');
    end if;
    -- In what a device is given they would end the value (PS3.5 6.1.3, 6.4).
    if p ->> 'patient_name' ~ '[\\[:cntrl:]]' or v_pid ~ '[\\[:cntrl:]]' then
        perform fail(422, format('%s has a backslash or a control character in it',
            case when v_pid ~ '[\\[:cntrl:]]' then 'patient_id' else 'patient_name' end), 'leave it out');
    end if;
    if v_pid is null and p_old is not null then
        select * into v from patient where id = p_old for update;
    elsif v_pid is not null then
        select * into v from patient where issuer_id = p_centre and patient_id = v_pid for update;
    end if;
    if v.id is null then
        insert into patient (issuer_id, patient_id, name, pinyin, birth_date, sex, resident_id)
        values (p_centre, coalesce(v_pid, order_stand_in(p ->> 'accession')), p ->> 'patient_name',
            p ->> 'patient_pinyin', v_birth,
            nullif(p ->> 'sex', ''), nullif(p ->> 'resident_id', ''))
        on conflict do nothing returning * into v;
        if v.id is not null then
            return v.id;
        end if;
        -- An object of the same patient was first.
        select * into strict v from patient where issuer_id = p_centre
            and patient_id = coalesce(v_pid, order_stand_in(p ->> 'accession')) for update;
    end if;
    v_against := patient_contradictions(v.name, v.pinyin, v.birth_date, v.sex,
        p ->> 'patient_name', p ->> 'patient_pinyin', v_birth, nullif(p ->> 'sex', ''));
    if cardinality(v_against) > 0 and not coalesce((p ->> 'correct_patient')::boolean, false) then
        perform fail(409, format('patient %s is known with another %s', coalesce(v.patient_id, ''),
                array_to_string(v_against, ' and ')),
            'correct the order; or, if the order is right, correct the patient: "correct_patient": true, '
            'in FHIR PUT of the Patient in the same transaction, or rdc order change');
    end if;
    perform patient_correct(v, null, null, p ->> 'reason', jsonb_strip_nulls(jsonb_build_object(
        'name', nullif(p ->> 'patient_name', ''), 'pinyin', nullif(p ->> 'patient_pinyin', ''),
        'birth_date', v_birth, 'sex', nullif(p ->> 'sex', ''),
        'resident_id', nullif(p ->> 'resident_id', ''))));
    return v.id;
end $$;
CREATE FUNCTION public.order_progress(p_order bigint, p_event text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
declare
    o exam_order;
begin
    select * into o from exam_order where id = p_order for update;
    if exists (select from exam_order_transition where state = o.state and event = p_event) then
        perform order_move(o, p_event);
    end if;
end $$;
CREATE FUNCTION public.order_put(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
begin
    perform upload_permit();
    return order_upsert(p || jsonb_build_object('centre_id', rdc_org()));
end $$;
CREATE FUNCTION public.order_row(o public.exam_order) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    AS $$
begin
    return jsonb_build_object('id', o.id, 'state', o.state, 'state_at', o.state_at,
        'centre', (select code from organisation where id = o.centre_id),
        'accession', o.accession, 'placer_number', o.placer_number,
        'placer_issuer', nullif(o.placer_issuer, ''), 'filler_number', o.filler_number,
        'patient', (select patient_view(p) from patient p where p.id = o.patient_id),
        'study_uid', o.study_uid, 'procedure_code', o.procedure_code,
        'procedure_scheme', o.procedure_scheme, 'description', o.description,
        'modality', o.modality, 'line', (select code from line where id = o.line_id),
        'station', o.station, 'station_name', o.station_name, 'location', o.location,
        'scheduled_at', o.scheduled_at, 'priority', o.priority, 'requester', o.requester,
        'referrer', o.referrer, 'performer', o.performer, 'admission_id', o.admission_id,
        'reason', o.reason, 'conflicts', o.conflicts, 'created_at', o.created_at,
        'version', (select count(*) from exam_order_event where order_id = o.id),
        'changed_at', (select max(at) from exam_order_event where order_id = o.id),
        'exam', (select min(id) from exam where order_id = o.id));
end $$;
CREATE FUNCTION public.order_stand_in(p_accession text) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$ select 'RDC-' || p_accession $$;
CREATE FUNCTION public.order_stat(p_limit integer) RETURNS TABLE(centre_id bigint, accession text, study_uid text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
    select centre_id, accession, study_uid from exam_order
    where priority = 'stat' and state <> 'cancelled' and state_at > now() - interval '7 days'
        and (state <> 'done' or state_at > now() - interval '1 hour')
    order by state_at desc limit p_limit
$$;
CREATE FUNCTION public.order_time(p text, p_zone text) RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE
    AS $_$
declare
    v text := regexp_replace(btrim(p), '^(\d{8})(\d{2})(\d{2})?(\d{2})?', '\1T\2\3\4');
begin
    if v ~ '^\d{8}T\d{2}($|[^\d])' then
        v := regexp_replace(v, '^(\d{8}T\d{2})', '\100');
    end if;
    if v ~ 'T.*(Z|[+-]\d{2}(:?\d{2})?)$' or v ~ ':.*(Z|[+-]\d{2}(:?\d{2})?)$' then
        return v::timestamptz;
    end if;
    return v::timestamp at time zone p_zone;
exception when others then
    perform fail(422, 'this is not a date and time', '2026-01-31T08:30, or with an offset 2026-01-31T08:30+08:00');
end $_$;
CREATE FUNCTION public.order_turn(p_centre bigint) RETURNS void
    LANGUAGE sql
    AS $$ select pg_advisory_xact_lock(hashtextextended('order ' || p_centre, 0)) $$;
CREATE FUNCTION public.order_upsert(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
declare
    v_centre bigint := (p ->> 'centre_id')::bigint;
    v_control text := coalesce(p ->> 'control', '');
    v_outcome text := 'changed';
    v_before jsonb;
    v_patient bigint;
    v_constraint text;
    o exam_order;
begin
    if jsonb_typeof(p -> 'patient') = 'object' then
        p := p || jsonb_strip_nulls(jsonb_build_object('patient_id', p #> '{patient,id}',
            'patient_name', p #> '{patient,name}', 'birth_date', p #> '{patient,birth_date}',
            'sex', p #> '{patient,sex}', 'resident_id', p #> '{patient,resident_id}'));
    end if;
    perform order_turn(v_centre);
    o := order_find(v_centre, p);
    if o.id is null and v_control in ('change', 'cancel', 'complete') then
        perform fail(404, 'no such order', 'list them with GET /api/v1/orders or rdc order list');
    elsif o.id is not null and v_control = 'new' then
        perform fail(409, format('there is such an order already: %s', o.id), 'change it, or use another number');
    end if;
    if v_control = 'cancel' then
        if o.state <> 'cancelled' then
            o := order_move(o, 'cancel', jsonb_strip_nulls(jsonb_build_object('reason', p ->> 'reason')));
        end if;
        perform audit_write('cancel', 'order', o.id);
        return order_row(o) || '{"outcome": "cancelled"}';
    elsif v_control = 'complete' then
        if o.state <> 'done' then
            o := order_move(o, 'finish');
        end if;
        perform audit_write('complete', 'order', o.id);
        return order_row(o) || '{"outcome": "changed"}';
    end if;
    if o.state in ('done', 'cancelled') then
        perform fail(409, format('order %s is %s', o.id, o.state), 'make a new order');
    end if;
    v_before := order_row(o);
    if o.id is null then
        o := order_insert(v_centre, p);
        v_outcome := 'created';
    else
        v_patient := o.patient_id;
        update exam_order set patient_id = order_patient(v_centre, p, o.patient_id)
        where id = o.id returning * into o;
        if o.patient_id <> v_patient then
            perform order_moved(o);
        end if;
    end if;
    o := order_hold(order_fill(o, p), (p ->> 'hold')::boolean);
    if v_outcome = 'changed' and order_row(o) = v_before then
        v_outcome := 'same';
    elsif v_outcome = 'changed' then
        insert into exam_order_event (order_id, person_id, event, from_state, to_state)
        values (o.id, rdc_person(), 'change', o.state, o.state);
    end if;
    perform audit_write(v_outcome, 'order', o.id);
    return order_row(o) || jsonb_build_object('outcome', v_outcome);
exception when check_violation then
    get stacked diagnostics v_constraint = constraint_name;
    raise exception using errcode = 'RD422', message = coalesce(constraint_text(v_constraint), 'a value does not fit'),
        constraint = v_constraint;
end $$;
CREATE FUNCTION public.order_value(p jsonb, p_key text, p_old text) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$ select coalesce(nullif(p ->> p_key, ''), case when not coalesce((p ->> 'replace')::boolean, false) then p_old end) $$;
CREATE FUNCTION public.org_id(p_code text, p_kind text DEFAULT NULL::text) RETURNS bigint
    LANGUAGE plpgsql STABLE
    AS $$
declare
    o organisation;
begin
    select * into o from organisation where code = p_code;
    if o.id is null then
        perform fail(404, format('no organisation %s', p_code),
            'known: ' || coalesce((select string_agg(code, ', ' order by code) from organisation), 'none'));
    elsif o.kind <> p_kind then
        perform fail(422, format('organisation %s is a %s, not a %s', p_code, o.kind, p_kind));
    end if;
    return o.id;
end $$;
CREATE FUNCTION public.patient_candidates(p public.patient) RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
    select coalesce(jsonb_agg(patient_view(q) order by q.id), '[]')
    from (select * from patient x
          where x.issuer_id = p.issuer_id and x.id <> p.id and x.birth_date = p.birth_date
            and (x.name = p.name or name_key(x.name, x.pinyin) = name_key(p.name, p.pinyin))
          order by x.id limit 20) q
$$;
CREATE FUNCTION public.patient_contradictions(a_name text, a_pinyin text, a_birth date, a_sex text, b_name text, b_pinyin text, b_birth date, b_sex text) RETURNS text[]
    LANGUAGE sql IMMUTABLE
    AS $$
    select array_remove(array[
        case when coalesce(name_hanzi(a_name) <> name_hanzi(b_name),
            name_key(a_name, a_pinyin) <> name_key(b_name, b_pinyin)) then 'name' end,
        case when a_birth <> b_birth then 'birth_date' end,
        case when a_sex <> b_sex and 'O' not in (a_sex, b_sex) then 'sex' end], null)
$$;
CREATE FUNCTION public.patient_correct(p public.patient, p_order bigint, p_exam bigint, p_reason text, p_after jsonb) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
    v patient;
begin
    update patient set name = coalesce(p_after ->> 'name', name), pinyin = coalesce(p_after ->> 'pinyin', pinyin),
        birth_date = coalesce((p_after ->> 'birth_date')::date, birth_date),
        sex = coalesce(p_after ->> 'sex', sex), resident_id = coalesce(p_after ->> 'resident_id', resident_id)
    where id = p.id returning * into v;
    if patient_view(v) <> patient_view(p) then
        insert into patient_correction (patient_id, order_id, exam_id, person_id, reason, before, after)
        values (p.id, p_order, p_exam, rdc_person(), p_reason, patient_view(p), patient_view(v));
    end if;
end $$;
CREATE FUNCTION public.patient_spell(p_ids bigint[], p_pinyin text[]) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
    update patient p set pinyin = v.pinyin from unnest(p_ids, p_pinyin) v(id, pinyin)
    where p.id = any (p_ids) and p.id = v.id and p.pinyin is null
$$;
CREATE FUNCTION public.patient_unspelled(p_limit integer) RETURNS TABLE(id bigint, name text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'public'
    AS $$ select id, name from patient where pinyin is null and name is not null order by id limit p_limit $$;
CREATE FUNCTION public.patient_update(p_centre bigint, p jsonb) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
    v patient;
    v_against text[];
begin
    select * into v from patient where issuer_id = p_centre and patient_id = btrim(p ->> 'patient_id') for update;
    if v.id is null then
        return;
    end if;
    v_against := patient_contradictions(v.name, v.pinyin, v.birth_date, v.sex, p ->> 'patient_name',
        p ->> 'patient_pinyin', dicom_date(p ->> 'birth_date'), nullif(p ->> 'sex', ''));
    if cardinality(v_against) > 1 and exists (select from study where patient_id = v.id) then
        perform fail(409, format('patient %s has studies, and is known with another %s', v.patient_id,
                array_to_string(v_against, ' and ')),
            'give another person another ID; or correct one thing after the other');
    end if;
    perform order_patient(p_centre, p || '{"correct_patient": true, "reason": "registration"}', null);
end $$;
CREATE FUNCTION public.patient_view(p public.patient) RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
    select jsonb_build_object('id', p.patient_id, 'name', p.name, 'pinyin', p.pinyin,
        'birth_date', p.birth_date, 'sex', p.sex, 'resident_id', p.resident_id)
$$;
CREATE FUNCTION public.performed_has(p_centre bigint, p_study_uid text, p_series_uid text) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
    select exists (select from study t join series q on q.study_id = t.id
        where t.study_uid = p_study_uid and t.centre_id = p_centre and q.series_uid = p_series_uid)
$$;
CREATE FUNCTION public.performed_lists(s public.performed_step) RETURNS void
    LANGUAGE plpgsql
    AS $$
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
CREATE FUNCTION public.performed_missing(p jsonb, p_parent text, p_when text) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    AS $_$
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
end $_$;
CREATE FUNCTION public.performed_not_to_set(s public.performed_step, p jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    AS $$
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
CREATE FUNCTION public.performed_orders(s public.performed_step, p_event text) RETURNS void
    LANGUAGE plpgsql
    AS $$
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
CREATE FUNCTION public.performed_shared(p_step bigint) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$ select count(*) > 1 from performed_study where step_id = p_step $$;
CREATE FUNCTION public.performed_step_move(s public.performed_step, p_event text, p_content jsonb) RETURNS public.performed_step
    LANGUAGE plpgsql
    AS $$
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
CREATE FUNCTION public.performed_unclear(p_step bigint) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
    select performed_shared(p_step) and exists (select from performed_series r
        where r.step_id = p_step and exists (select from performed_instance i where i.series_id = r.id)
            and not exists (select from performed_study y
                where y.step_id = p_step and performed_has(y.centre_id, y.study_uid, r.series_uid)))
$$;
CREATE FUNCTION public.person_name(p_person bigint) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'public'
    AS $$ select name from person where id = p_person $$;
CREATE FUNCTION public.rdc_org() RETURNS bigint
    LANGUAGE sql STABLE
    AS $$ select nullif(current_setting('rdc.org', true), '')::bigint $$;
CREATE FUNCTION public.rdc_person() RETURNS bigint
    LANGUAGE sql STABLE
    AS $$ select nullif(current_setting('rdc.person', true), '')::bigint $$;
CREATE FUNCTION public.rdc_person_role() RETURNS text
    LANGUAGE sql STABLE
    AS $$ select nullif(current_setting('rdc.role', true), '') $$;
CREATE FUNCTION public.rebuild_one(p_record jsonb, p_provenance jsonb) RETURNS text
    LANGUAGE plpgsql
    AS $$
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
CREATE FUNCTION public.render_failed(p_report bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
    select exists (select from job where kind = 'render' and subject_id = p_report and state = 'quarantined')
$$;
CREATE FUNCTION public.report_content_check(p_content jsonb) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
    k text;
begin
    if jsonb_typeof(p_content) is distinct from 'object' then
        perform fail(422, 'report must be an object', '{"findings": "...", "impression": "..."}');
    end if;
    for k in select jsonb_object_keys(p_content) loop
        if k not in ('findings', 'impression') then
            perform fail(422, format('report has no field "%s"', left(k, 40)), 'known are findings and impression');
        end if;
        if jsonb_typeof(p_content -> k) <> 'string' or length(p_content ->> k) > 20000 then
            perform fail(422, format('report.%s must be a text of at most 20000 characters', k));
        end if;
    end loop;
end $$;
CREATE FUNCTION public.report_file(p_exam bigint, p_version integer) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    AS $$
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
CREATE FUNCTION public.report_instance(p_exam public.exam, p_series_uid text, p_modality text, p_sop_uid text, p_sop_class text, p_number integer, p_object bigint) RETURNS void
    LANGUAGE sql
    AS $$
    insert into series (study_id, series_uid, modality, number, description)
    values (p_exam.study_id, p_series_uid, p_modality,
        case p_modality when 'SR' then 9000 else 9500 end + p_number, 'report');
    insert into instance (centre_id, study_id, series_id, sop_uid, sop_class, transfer_syntax,
        number, object_id, own)
    select p_exam.centre_id, p_exam.study_id, id, p_sop_uid, p_sop_class, '1.2.840.10008.1.2.1',
        p_number, p_object, true
    from series where study_id = p_exam.study_id and series_uid = p_series_uid
$$;
CREATE FUNCTION public.report_render_input(p_report bigint) RETURNS jsonb
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
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
CREATE FUNCTION public.report_rendered(p_job bigint, p_report bigint, p_sr jsonb, p_pdf jsonb, p_pdf_file jsonb) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
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
CREATE FUNCTION public.resident_id_contradictions(p_id text, p_birth date, p_sex text) RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE
    AS $_$
declare
    v_weights int[] := '{7,9,10,5,8,4,2,1,6,3,7,9,10,5,8,4,2}';
    v_birth date := dicom_date(substr(p_id, 7, 8));
    v_sum int := 0;
    v text[] := '{}';
begin
    if p_id is null or p_id !~ '^\d{17}[\dXx]$' or v_birth is null or v_birth < '1850-01-01'
        or v_birth > now() then
        return v;
    end if;
    for i in 1..17 loop
        v_sum := v_sum + v_weights[i] * substr(p_id, i, 1)::int;
    end loop;
    if substr('10X98765432', v_sum % 11 + 1, 1) <> upper(substr(p_id, 18, 1)) then
        v := v || 'checksum'::text;
    end if;
    if p_birth <> v_birth then
        v := v || 'birth_date'::text;
    end if;
    if p_sex in ('M', 'F') and (p_sex = 'M') <> (substr(p_id, 17, 1)::int % 2 = 1) then
        v := v || 'sex'::text;
    end if;
    return v;
end $_$;
CREATE FUNCTION public.sees_exam(p_centre bigint, p_line bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
    select p_centre = rdc_org() or exists (
        select from contract c
        where c.centre_id = p_centre and c.line_id = p_line and c.hospital_id = rdc_org()
          and c.disabled_at is null)
$$;
CREATE FUNCTION public.session_close(p_token_hash bytea) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$ delete from session where token_hash = p_token_hash $$;
CREATE FUNCTION public.session_enter(p_token_hash bytea) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
declare
    p record;
begin
    select person.id, person.org_id, person.role into p
    from session join person on person.id = session.person_id
        join organisation on organisation.id = person.org_id
    where token_hash = p_token_hash and expires_at > now() and person.disabled_at is null
        and organisation.disabled_at is null;
    if p.id is null then
        perform fail(401, 'no valid session', 'log in with POST /api/v1/session');
    end if;
    perform set_config('rdc.person', p.id::text, true), set_config('rdc.org', p.org_id::text, true),
        set_config('rdc.role', p.role, true);
    return p.org_id;
end $$;
CREATE FUNCTION public.session_failed(p_person bigint) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
    update person set
        failures = case when failures >= 9 then 0 else failures + 1 end,
        locked_until = case when failures >= 9 then now() + interval '5 minutes' end
    where id = p_person;
    select audit_write('login_failed', 'person', p_person)
$$;
CREATE FUNCTION public.session_login(p_login text, OUT person bigint, OUT hash text, OUT closed integer) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
declare
    p person;
begin
    select * into p from person where login = lower(p_login) and disabled_at is null;
    if p.locked_until > now() then
        closed := ceil(extract(epoch from p.locked_until - now()));
    end if;
    person := p.id;
    hash := p.password_hash;
end $$;
CREATE FUNCTION public.session_open(p_person bigint, p_token_hash bytea, p_minutes integer) RETURNS json
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
declare
    p person;
begin
    select * into strict p from person where id = p_person for update;
    -- Of many guesses at once, those that were counted meanwhile close the account for this one too.
    if p.locked_until > now() then
        perform fail(429, 'too many failed logins',
            'wait until ' || to_char(p.locked_until, 'HH24:MI:SS TZ'));
    end if;
    update person set failures = 0, locked_until = null where id = p_person and failures > 0;
    delete from session where expires_at < now();
    insert into session (token_hash, person_id, expires_at)
    values (p_token_hash, p_person, now() + make_interval(mins => p_minutes));
    insert into audit (person_id, org_id, action, noun, noun_id)
    values (p.id, p.org_id, 'login', 'person', p.id);
    return json_build_object('login', p.login, 'name', p.name, 'role', p.role,
        'org', (select code from organisation where id = p.org_id));
end $$;
CREATE FUNCTION public.status_report() RETURNS jsonb
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
    select jsonb_build_object(
        'exams', (select coalesce(jsonb_object_agg(state, n), '{}')
            from (select state, count(*) as n from exam group by 1) x),
        'deliveries', (select coalesce(jsonb_object_agg(state, n), '{}')
            from (select state, count(*) as n from delivery group by 1) x),
        'jobs', (select coalesce(jsonb_object_agg(state, n), '{}')
            from (select state, count(*) as n from job group by 1) x),
        'objects', (select count(*) from object),
        'warnings', (select coalesce(jsonb_agg(w), '[]') from (
            select format('device %s of %s has no address: anybody who knows its AE title can send as it',
                d.aet, o.code) as w
            from device d join organisation o on o.id = d.org_id
            where d.address is null and d.disabled_at is null
            union all
            select format('%s exams have no contract for their line', count(*))
            from exam where state = 'unrouted' having count(*) > 0
            union all
            select format('destination %s: %s deliveries are dead', t.name, count(*))
            from delivery d join destination t on t.id = d.destination_id
            where d.state = 'dead' group by t.name
            union all
            select format('%s exams are quarantined: their patient contradicts their order', count(*))
            from exam where quarantined_at is not null having count(*) > 0
            union all
            select format('%s jobs are set aside: they failed three times, or their worker ended five times', count(*))
            from job where state = 'quarantined' having count(*) > 0
            union all
            select format('%s jobs are put back again and again, at the longest since %s: %s', count(*),
                date_trunc('second', min(created_at)), max(last_error))
            from job where put_back >= 5 having count(*) > 0) warnings))
$$;
CREATE FUNCTION public.stranger_doctor(p_causes jsonb) RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
    select jsonb_build_object('strangers',
        coalesce(jsonb_agg(contact_row(c, p_causes) order by c.last_at desc, c.id desc), '[]'))
    from (select * from device_contact where device_id is null
          order by last_at desc, id desc limit 200) c
$$;
CREATE FUNCTION public.uid_new() RETURNS text
    LANGUAGE plpgsql
    AS $$
declare
    hex text := replace(gen_random_uuid()::text, '-', '');
    n numeric := 0;
begin
    for i in 0..3 loop
        n := n * 4294967296 + ('x' || lpad(substr(hex, 1 + 8 * i, 8), 16, '0'))::bit(64)::bigint;
    end loop;
    return '2.25.' || n::text;
end $$;
CREATE FUNCTION public.upload_begin(p_id text, p_length bigint, p_params jsonb, p_most integer, p_bytes bigint) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
declare
    v_permit jsonb := upload_permit();
    v_open record;
begin
    -- Two requests of one person take turns, so that the limit holds.
    perform 1 from person where id = rdc_person() for update;
    select count(*) as n, coalesce(sum(length), 0) as bytes into v_open
    from upload where person_id = rdc_person() and done_at is null;
    if v_open.n >= p_most or v_open.bytes + p_length > p_bytes then
        perform fail(429, 'too many unfinished uploads', 'finish or delete some, then try again');
    end if;
    insert into upload (id, centre_id, person_id, length, params)
    values (p_id, (v_permit ->> 'centre_id')::bigint, rdc_person(), p_length, p_params);
    return jsonb_build_object('id', p_id);
end $$;
CREATE FUNCTION public.upload_done(p_id text, p_answer jsonb) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$ update upload set done_at = now(), touched_at = now(), answer = p_answer where id = p_id and done_at is null $$;
CREATE FUNCTION public.upload_drop(p_id text) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$ delete from upload where id = p_id $$;
CREATE FUNCTION public.upload_expire(p_seconds integer) RETURNS jsonb
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
    with gone as (
        delete from upload where touched_at < now() - make_interval(secs => p_seconds) returning id
    )
    select coalesce(jsonb_agg(id), '[]') from gone
$$;
CREATE FUNCTION public.upload_find(p_id text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
declare
    v_permit jsonb := upload_permit();
    u upload;
begin
    update upload set touched_at = now()
    where id = p_id and centre_id = rdc_org() and person_id = rdc_person() returning * into u;
    if u.id is null then
        perform fail(404, 'no such upload', 'it was given up, refused, or not touched for a day: begin one with POST /api/v1/uploads and Upload-Length');
    end if;
    return v_permit || jsonb_build_object('id', u.id, 'length', u.length, 'params', u.params,
        'answer', u.answer);
end $$;
CREATE FUNCTION public.upload_permit() RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
declare
    o organisation;
begin
    select * into o from organisation where id = rdc_org();
    if o.kind <> 'centre' or rdc_person_role() not in ('technician', 'doctor', 'admin') then
        perform fail(403, 'only the staff of a centre can upload', 'log in as its technician');
    end if;
    return jsonb_build_object('centre_id', o.id, 'code', o.code);
end $$;
CREATE FUNCTION public.watch_claim(p_owner text, p_seconds integer) RETURNS jsonb
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
    with free as (
        select d.id from device d join organisation o on o.id = d.org_id
        where d.watch_dir is not null and d.disabled_at is null and o.disabled_at is null
            and (d.watch_owner = p_owner or d.watch_until is null or d.watch_until < now())
        order by d.id for update of d skip locked
    ), taken as (
        update device d set watch_owner = p_owner, watch_until = now() + make_interval(secs => p_seconds)
        from free f where d.id = f.id returning d.*
    )
    select coalesce(jsonb_agg(jsonb_build_object('id', t.id, 'aet', t.aet, 'centre_id', t.org_id,
        'code', o.code, 'quiet', t.quiet_seconds, 'dir', t.watch_dir) order by t.id), '[]')
    from taken t join organisation o on o.id = t.org_id
$$;
CREATE FUNCTION public.worklist_find(p_centre bigint, p_station text, p_keys jsonb, p_expire_hours integer, p_limit integer) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
declare
    v_zone text := (select timezone from organisation where id = p_centre);
    s record := worklist_span('(0040,0002)', p_keys ->> 'date', p_keys ->> 'time', v_zone);
    v_from timestamptz := greatest(s.v_from, now() - make_interval(hours => p_expire_hours));
begin
    -- also when nothing is there to match
    perform worklist_time_like(now()::timestamp, p_keys ->> 'date', p_keys ->> 'time')
    where p_keys ? 'time';
    perform worklist_span('(0010,0030)', p_keys ->> 'birth_date', null, 'UTC');
    return (select coalesce(jsonb_agg(x.v order by x.rank, x.scheduled_at, x.id), '[]') from (
        select o.id, o.scheduled_at, w.v, array_position(array['stat', 'urgent', 'routine'], o.priority) as rank
        from exam_order o join patient p on p.id = o.patient_id join organisation c on c.id = o.centre_id,
            lateral (select worklist_row(o, p, c, p_station) as v) w
        where o.centre_id = p_centre and o.state in ('scheduled', 'started')
            and o.scheduled_at >= v_from and o.scheduled_at < s.v_to
            and (not p_keys ? 'modality' or dicom_like(o.modality, p_keys ->> 'modality'))
            and (not p_keys ? 'time' or worklist_time_like(o.scheduled_at at time zone c.timezone,
                p_keys ->> 'date', p_keys ->> 'time'))
            and worklist_matches(w.v, o, p, p_keys)
        order by rank, o.scheduled_at, o.id limit p_limit) x);
end $$;
CREATE FUNCTION public.worklist_matches(v jsonb, o public.exam_order, p public.patient, k jsonb) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS $$
    select not exists (
        select from jsonb_each_text(k) x(attribute, key), split_part(attribute, ' ', 1) name
        where name not in ('date', 'time') and not coalesce(case
            when name = 'patient_name' then dicom_name_like(p.name, p.pinyin, key)
            when name in ('referrer', 'requester', 'performer') then dicom_name_like(v ->> name, null, key)
            when name = 'study_uid' then v ->> name = any (string_to_array(key, '\'))
            when name = 'station' then o.station is null or dicom_like(o.station, key)
            when name = 'birth_date' then dicom_date_like(p.birth_date, key)
            else dicom_like(v ->> name, key) end, false))
$$;
CREATE TABLE public.organisation (
    id bigint NOT NULL,
    code text NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    timezone text DEFAULT 'Asia/Shanghai'::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    disabled_at timestamp with time zone,
    CONSTRAINT organisation_code_form CHECK ((code ~ '^[A-Za-z0-9_-]{1,32}$'::text)),
    CONSTRAINT organisation_kind_known CHECK ((kind = ANY (ARRAY['centre'::text, 'hospital'::text]))),
    CONSTRAINT organisation_name_form CHECK (((length(name) >= 1) AND (length(name) <= 200)))
);
ALTER TABLE ONLY public.organisation FORCE ROW LEVEL SECURITY;
COMMENT ON CONSTRAINT organisation_code_form ON public.organisation IS 'a code has up to 32 of A-Z, a-z, 0-9, - and _';
COMMENT ON CONSTRAINT organisation_kind_known ON public.organisation IS 'kinds are centre and hospital';
COMMENT ON CONSTRAINT organisation_name_form ON public.organisation IS 'a name has 1 to 200 characters';
CREATE FUNCTION public.worklist_row(o public.exam_order, p public.patient, c public.organisation, p_station text) RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
    select jsonb_strip_nulls(jsonb_build_object('accession', o.accession, 'institution', c.name,
        'referrer', o.referrer, 'patient_name', p.name, 'patient_id', p.patient_id, 'issuer', c.code,
        'birth_date', to_char(p.birth_date, 'YYYYMMDD'), 'sex', p.sex, 'study_uid', o.study_uid,
        'requester', o.requester, 'description', coalesce(o.description, o.procedure_code, o.modality),
        'admission_id', o.admission_id, 'procedure_id', o.accession, 'reason', o.reason,
        'priority', case o.priority when 'stat' then 'STAT' when 'urgent' then 'HIGH' else 'ROUTINE' end,
        'placer_number', o.placer_number, 'filler_number', o.filler_number, 'modality', o.modality,
        'station', coalesce(o.station, p_station),
        'date', to_char(o.scheduled_at at time zone c.timezone, 'YYYYMMDD'),
        'time', to_char(o.scheduled_at at time zone c.timezone, 'HH24MISS'),
        'performer', o.performer, 'step_id', o.accession, 'station_name', o.station_name,
        'location', o.location,
        'status', case o.state when 'started' then 'STARTED' else 'SCHEDULED' end,
        'procedure_code', o.procedure_code, 'procedure_scheme', coalesce(o.procedure_scheme, '99RDC')))
$$;
CREATE FUNCTION public.worklist_span(p_tag text, p_date text, p_time text, p_zone text, OUT v_from timestamp with time zone, OUT v_to timestamp with time zone) RETURNS record
    LANGUAGE plpgsql IMMUTABLE
    AS $$
declare
    d text[] := dicom_ends(replace(p_date, '.', ''));
    t text[] := dicom_ends(replace(p_time, ':', ''));
    d1 date := dicom_date(d[1]);
    d2 date := dicom_date(d[2]);
begin
    if p_date is null then
        v_from := '-infinity';
        v_to := 'infinity';
        return;
    end if;
    if (d[1] <> '' and d1 is null) or (d[2] <> '' and d2 is null) or (d1 is null and d2 is null) then
        perform fail(422, p_tag || ': write YYYYMMDD, or YYYYMMDD-YYYYMMDD');
    end if;
    if d1 = d2 and dicom_time(t[1]) > dicom_time(t[2]) then
        d2 := d2 + 1;
    end if;
    v_from := coalesce((d1 + coalesce(dicom_time(t[1]), '00:00')) at time zone p_zone, '-infinity');
    v_to := coalesce((d2 + coalesce(dicom_time_end(t[2]), interval '24 hours')) at time zone p_zone, 'infinity');
end $$;
CREATE FUNCTION public.worklist_time_like(p_local timestamp without time zone, p_date text, p_time text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE
    AS $$
declare
    t text[] := dicom_ends(replace(p_time, ':', ''));
    v_begun boolean := p_local::time::interval >= coalesce(dicom_time(t[1])::interval, '0');
    v_ended boolean := p_local::time::interval >= coalesce(dicom_time_end(t[2]), '25 hours');
begin
    if (t[1] <> '' and dicom_time(t[1]) is null) or (t[2] <> '' and dicom_time(t[2]) is null)
        or (t[1] = '' and t[2] = '') then
        perform fail(422, '(0040,0003): write HHMM, or a range as HHMM-HHMM');
    end if;
    return p_date is not null or case when dicom_time(t[1]) > dicom_time(t[2]) then v_begun or not v_ended
        else v_begun and not v_ended end;
end $$;
CREATE TABLE public.advice_code (
    code text NOT NULL,
    text_en text NOT NULL,
    text_zh text NOT NULL,
    CONSTRAINT advice_code_form CHECK ((code ~ '^[a-z_]{1,40}$'::text))
);
ALTER TABLE ONLY public.advice_code FORCE ROW LEVEL SECURITY;
CREATE TABLE public.audit (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    person_id bigint,
    org_id bigint,
    action text NOT NULL,
    noun text NOT NULL,
    noun_id bigint,
    detail jsonb
);
ALTER TABLE ONLY public.audit FORCE ROW LEVEL SECURITY;
ALTER TABLE public.audit ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.audit_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.body_part_word (
    word text NOT NULL,
    region text NOT NULL,
    CONSTRAINT body_part_word_form CHECK (((word = upper(word)) AND ((length(word) >= 1) AND (length(word) <= 40))))
);
ALTER TABLE ONLY public.body_part_word FORCE ROW LEVEL SECURITY;
ALTER TABLE public.commitment ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.commitment_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.commitment_transition (
    state text NOT NULL,
    event text NOT NULL,
    next_state text NOT NULL
);
ALTER TABLE ONLY public.commitment_transition FORCE ROW LEVEL SECURITY;
ALTER TABLE public.contract ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.contract_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.delivery (
    id bigint NOT NULL,
    report_id bigint NOT NULL,
    destination_id bigint NOT NULL,
    state text DEFAULT 'due'::text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    next_at timestamp with time zone DEFAULT now() NOT NULL,
    lease_no bigint DEFAULT 0 NOT NULL,
    lease_until timestamp with time zone,
    last_error text,
    acknowledged_at timestamp with time zone,
    warning text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT delivery_acknowledged_tied CHECK (((state = 'acknowledged'::text) = (acknowledged_at IS NOT NULL))),
    CONSTRAINT delivery_lease_tied CHECK (((state = 'sending'::text) = (lease_until IS NOT NULL))),
    CONSTRAINT delivery_state_known CHECK ((state = ANY (ARRAY['due'::text, 'sending'::text, 'acknowledged'::text, 'dead'::text, 'superseded'::text]))),
    CONSTRAINT delivery_warning_tied CHECK (((warning IS NULL) OR (state = 'acknowledged'::text)))
);
ALTER TABLE ONLY public.delivery FORCE ROW LEVEL SECURITY;
ALTER TABLE public.delivery ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.delivery_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.destination (
    id bigint NOT NULL,
    org_id bigint NOT NULL,
    name text NOT NULL,
    kind text DEFAULT 'dicom'::text NOT NULL,
    aet text NOT NULL,
    host text NOT NULL,
    port integer NOT NULL,
    tls boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    disabled_at timestamp with time zone,
    CONSTRAINT destination_aet_form CHECK ((aet ~ '^[\u0020-\u005b\u005d-\u007e]{1,16}$'::text)),
    CONSTRAINT destination_kind_known CHECK ((kind = 'dicom'::text)),
    CONSTRAINT destination_port_range CHECK (((port >= 1) AND (port <= 65535)))
);
ALTER TABLE ONLY public.destination FORCE ROW LEVEL SECURITY;
COMMENT ON CONSTRAINT destination_aet_form ON public.destination IS 'an AE title has up to 16 ASCII characters, no \ or control characters';
COMMENT ON CONSTRAINT destination_port_range ON public.destination IS 'a port is a number from 1 to 65535';
ALTER TABLE public.destination ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.destination_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.device (
    id bigint NOT NULL,
    org_id bigint NOT NULL,
    aet text NOT NULL,
    address cidr,
    called text,
    callback_host text,
    callback_port integer,
    charset text,
    quiet_seconds integer DEFAULT 15 NOT NULL,
    limit_seconds integer DEFAULT 300 NOT NULL,
    certificate text,
    max_associations integer,
    max_rate integer,
    max_bytes_in_flight bigint,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    disabled_at timestamp with time zone,
    watch_dir text,
    watch_owner text,
    watch_until timestamp with time zone,
    CONSTRAINT device_aet_form CHECK (((aet ~ '^[\u0020-\u005b\u005d-\u007e]{1,16}$'::text) AND (aet = btrim(aet)))),
    CONSTRAINT device_callback_port_range CHECK (((callback_port >= 1) AND (callback_port <= 65535))),
    CONSTRAINT device_callback_whole CHECK (((callback_host IS NULL) = (callback_port IS NULL))),
    CONSTRAINT device_called_form CHECK (((called ~ '^[\u0020-\u005b\u005d-\u007e]{1,16}$'::text) AND (called = btrim(called)))),
    CONSTRAINT device_certificate_form CHECK ((certificate ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT device_charset_known CHECK ((upper(charset) = ANY (ARRAY['UTF-8'::text, 'GB18030'::text, 'GBK'::text, 'ISO 2022 IR 58'::text, 'ISO_IR 192'::text, '\ISO 2022 IR 58'::text, 'ASCII'::text]))),
    CONSTRAINT device_limit_range CHECK (((limit_seconds >= 0) AND (limit_seconds <= 86400))),
    CONSTRAINT device_max_associations_range CHECK (((max_associations >= 1) AND (max_associations <= 100000))),
    CONSTRAINT device_max_bytes_range CHECK ((max_bytes_in_flight >= 1)),
    CONSTRAINT device_max_rate_range CHECK (((max_rate >= 1) AND (max_rate <= 1000000))),
    CONSTRAINT device_quiet_range CHECK (((quiet_seconds >= 0) AND (quiet_seconds <= 86400))),
    CONSTRAINT device_watch_absolute CHECK (((watch_dir ~ '^/[^[:cntrl:]]+$'::text) AND (length(watch_dir) <= 300))),
    CONSTRAINT device_watch_whole CHECK (((watch_owner IS NULL) = (watch_until IS NULL)))
);
ALTER TABLE ONLY public.device FORCE ROW LEVEL SECURITY;
COMMENT ON CONSTRAINT device_aet_form ON public.device IS 'an AE title has up to 16 ASCII characters, no \ or control characters, and no blanks around it';
COMMENT ON CONSTRAINT device_callback_port_range ON public.device IS 'a port is a number from 1 to 65535';
COMMENT ON CONSTRAINT device_called_form ON public.device IS 'a called AE title has up to 16 ASCII characters, no \ or control characters, and no blanks around it';
COMMENT ON CONSTRAINT device_certificate_form ON public.device IS 'a certificate is named by its SHA-256: 64 hexadecimal digits';
COMMENT ON CONSTRAINT device_charset_known ON public.device IS 'known character sets are UTF-8, GB18030, GBK, ISO 2022 IR 58 and ASCII';
COMMENT ON CONSTRAINT device_limit_range ON public.device IS 'seconds go from 0 to 86400';
COMMENT ON CONSTRAINT device_max_associations_range ON public.device IS 'associations go from 1 to 100000';
COMMENT ON CONSTRAINT device_max_bytes_range ON public.device IS 'the limit on bytes is 1 or more';
COMMENT ON CONSTRAINT device_max_rate_range ON public.device IS 'requests in a second go from 1 to 1000000';
COMMENT ON CONSTRAINT device_quiet_range ON public.device IS 'seconds go from 0 to 86400';
COMMENT ON CONSTRAINT device_watch_absolute ON public.device IS 'a watched folder is an absolute path of up to 300 characters';
ALTER TABLE public.device_contact ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.device_contact_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE public.device ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.device_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.draft (
    exam_id bigint NOT NULL,
    author_id bigint NOT NULL,
    lease_no bigint NOT NULL,
    content jsonb NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE ONLY public.draft FORCE ROW LEVEL SECURITY;
CREATE TABLE public.ecg_limit (
    name text NOT NULL,
    value double precision NOT NULL,
    CONSTRAINT ecg_limit_known CHECK ((name = ANY (ARRAY['pause_s'::text, 'brady_bpm'::text, 'vt_bpm'::text, 'svt_bpm'::text, 'af_bpm'::text, 'preexcited_rr_ms'::text, 'st_limb_uv'::text, 'st_chest_uv'::text, 'qtc_ms'::text, 'vf_s'::text, 'torsades_qtc_ms'::text, 'av_block_bpm'::text, 't_wave_uv'::text]))),
    CONSTRAINT ecg_limit_range CHECK (((value > (0)::double precision) AND (value < (100000)::double precision)))
);
ALTER TABLE ONLY public.ecg_limit FORCE ROW LEVEL SECURITY;
CREATE TABLE public.evidence (
    id bigint NOT NULL,
    centre_id bigint NOT NULL,
    study_uid text NOT NULL,
    kind text NOT NULL,
    open boolean DEFAULT false NOT NULL,
    counted integer,
    expected integer DEFAULT 0 NOT NULL,
    present integer DEFAULT 0 NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    weighed_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT evidence_counted_manifest CHECK (((counted IS NULL) OR ((kind = 'manifest'::text) AND (counted > 0)))),
    CONSTRAINT evidence_kind_known CHECK ((kind = ANY (ARRAY['mpps'::text, 'commitment'::text, 'manifest'::text])))
);
ALTER TABLE ONLY public.evidence FORCE ROW LEVEL SECURITY;
ALTER TABLE public.evidence ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.evidence_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.evidence_object (
    evidence_id bigint NOT NULL,
    sop_uid text NOT NULL
);
ALTER TABLE ONLY public.evidence_object FORCE ROW LEVEL SECURITY;
CREATE TABLE public.exam_advice (
    id bigint NOT NULL,
    exam_id bigint NOT NULL,
    instance_id bigint,
    device_id bigint,
    code text NOT NULL,
    detail text,
    at timestamp with time zone DEFAULT now() NOT NULL,
    resolved_at timestamp with time zone
);
ALTER TABLE ONLY public.exam_advice FORCE ROW LEVEL SECURITY;
ALTER TABLE public.exam_advice ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.exam_advice_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.exam_event (
    id bigint NOT NULL,
    exam_id bigint NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    person_id bigint,
    event text NOT NULL,
    from_state text,
    to_state text NOT NULL,
    lease_no bigint,
    detail jsonb
);
ALTER TABLE ONLY public.exam_event FORCE ROW LEVEL SECURITY;
ALTER TABLE public.exam_event ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.exam_event_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE public.exam ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.exam_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.exam_order_event (
    id bigint NOT NULL,
    order_id bigint NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    person_id bigint,
    event text NOT NULL,
    from_state text,
    to_state text NOT NULL,
    detail jsonb
);
ALTER TABLE ONLY public.exam_order_event FORCE ROW LEVEL SECURITY;
ALTER TABLE public.exam_order_event ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.exam_order_event_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE public.exam_order ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.exam_order_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.exam_order_transition (
    state text NOT NULL,
    event text NOT NULL,
    next_state text NOT NULL
);
ALTER TABLE ONLY public.exam_order_transition FORCE ROW LEVEL SECURITY;
CREATE TABLE public.exam_transition (
    state text NOT NULL,
    event text NOT NULL,
    next_state text NOT NULL
);
ALTER TABLE ONLY public.exam_transition FORCE ROW LEVEL SECURITY;
CREATE TABLE public.hl7_code (
    sender_id bigint NOT NULL,
    code text NOT NULL,
    modality text,
    description text
);
ALTER TABLE ONLY public.hl7_code FORCE ROW LEVEL SECURITY;
CREATE TABLE public.hl7_message (
    sender_id bigint NOT NULL,
    control_id text NOT NULL,
    digest bytea NOT NULL,
    received_at timestamp with time zone DEFAULT now() NOT NULL,
    answer jsonb NOT NULL
);
ALTER TABLE ONLY public.hl7_message FORCE ROW LEVEL SECURITY;
ALTER TABLE public.hl7_sender ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.hl7_sender_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE public.instance ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.instance_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.job (
    id bigint NOT NULL,
    kind text NOT NULL,
    subject_id bigint NOT NULL,
    state text DEFAULT 'queued'::text NOT NULL,
    priority text DEFAULT 'routine'::text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    run_at timestamp with time zone DEFAULT now() NOT NULL,
    lease_until timestamp with time zone,
    last_error text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    owner text,
    broken_off integer DEFAULT 0 NOT NULL,
    put_back integer DEFAULT 0 NOT NULL,
    CONSTRAINT job_kind_known CHECK ((kind = ANY (ARRAY['metadata'::text, 'check'::text, 'measure'::text, 'pixels'::text, 'render'::text, 'commitment'::text]))),
    CONSTRAINT job_lease_tied CHECK (((state = 'running'::text) = (lease_until IS NOT NULL))),
    CONSTRAINT job_state_known CHECK ((state = ANY (ARRAY['queued'::text, 'running'::text, 'quarantined'::text])))
);
ALTER TABLE ONLY public.job FORCE ROW LEVEL SECURITY;
ALTER TABLE public.job ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.job_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.line (
    id bigint NOT NULL,
    code text NOT NULL,
    name text NOT NULL,
    modalities text[] NOT NULL,
    two_step boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    disabled_at timestamp with time zone,
    CONSTRAINT line_code_form CHECK ((code ~ '^[a-z0-9_-]{1,32}$'::text)),
    CONSTRAINT line_modalities_given CHECK ((cardinality(modalities) > 0))
);
ALTER TABLE ONLY public.line FORCE ROW LEVEL SECURITY;
ALTER TABLE public.line ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.line_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.object (
    id bigint NOT NULL,
    location text NOT NULL,
    sha256 bytea NOT NULL,
    size bigint NOT NULL,
    media text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    damaged_at timestamp with time zone,
    CONSTRAINT object_sha256_length CHECK ((length(sha256) = 32))
);
ALTER TABLE ONLY public.object FORCE ROW LEVEL SECURITY;
ALTER TABLE public.object ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.object_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE public.organisation ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.organisation_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.patient_correction (
    id bigint NOT NULL,
    patient_id bigint NOT NULL,
    order_id bigint,
    exam_id bigint,
    at timestamp with time zone DEFAULT now() NOT NULL,
    person_id bigint,
    reason text,
    before jsonb NOT NULL,
    after jsonb NOT NULL
);
ALTER TABLE ONLY public.patient_correction FORCE ROW LEVEL SECURITY;
ALTER TABLE public.patient_correction ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.patient_correction_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE public.patient ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.patient_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.performed_attribute (
    parent text NOT NULL,
    tag text NOT NULL,
    keyword text NOT NULL,
    at_create integer NOT NULL,
    at_set integer NOT NULL,
    at_end integer NOT NULL,
    CONSTRAINT performed_attribute_types CHECK (((at_create = ANY (ARRAY[1, 2, 3])) AND (at_set = ANY (ARRAY[0, 1, 2, 3])) AND (at_end = ANY (ARRAY[1, 2, 3]))))
);
ALTER TABLE ONLY public.performed_attribute FORCE ROW LEVEL SECURITY;
CREATE TABLE public.performed_instance (
    series_id bigint NOT NULL,
    sop_uid text NOT NULL,
    sop_class text NOT NULL
);
ALTER TABLE ONLY public.performed_instance FORCE ROW LEVEL SECURITY;
CREATE TABLE public.performed_series (
    id bigint NOT NULL,
    step_id bigint NOT NULL,
    series_uid text NOT NULL,
    protocol text,
    description text
);
ALTER TABLE ONLY public.performed_series FORCE ROW LEVEL SECURITY;
ALTER TABLE public.performed_series ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.performed_series_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE public.performed_step ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.performed_step_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.performed_step_transition (
    state text NOT NULL,
    event text NOT NULL,
    next_state text NOT NULL
);
ALTER TABLE ONLY public.performed_step_transition FORCE ROW LEVEL SECURITY;
CREATE TABLE public.performed_study (
    step_id bigint NOT NULL,
    centre_id bigint NOT NULL,
    study_uid text NOT NULL,
    CONSTRAINT performed_study_uid_form CHECK (((study_uid ~ '^[0-9.]+$'::text) AND (length(study_uid) <= 64)))
);
ALTER TABLE ONLY public.performed_study FORCE ROW LEVEL SECURITY;
CREATE TABLE public.person (
    id bigint NOT NULL,
    org_id bigint NOT NULL,
    login text NOT NULL,
    name text NOT NULL,
    role text NOT NULL,
    password_hash text NOT NULL,
    failures integer DEFAULT 0 NOT NULL,
    locked_until timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    disabled_at timestamp with time zone,
    CONSTRAINT person_login_form CHECK ((login ~ '^[a-z0-9._@-]{1,64}$'::text)),
    CONSTRAINT person_role_known CHECK ((role = ANY (ARRAY['technician'::text, 'doctor'::text, 'reader'::text, 'admin'::text])))
);
ALTER TABLE ONLY public.person FORCE ROW LEVEL SECURITY;
COMMENT ON CONSTRAINT person_login_form ON public.person IS 'a login has up to 64 of a-z, 0-9, . _ @ and -';
COMMENT ON CONSTRAINT person_role_known ON public.person IS 'roles are technician, doctor, reader and admin';
ALTER TABLE public.person ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.person_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.report (
    id bigint NOT NULL,
    exam_id bigint NOT NULL,
    version integer NOT NULL,
    state text NOT NULL,
    content jsonb NOT NULL,
    canonical text NOT NULL,
    content_sha256 bytea NOT NULL,
    objects_digest bytea NOT NULL,
    damaged boolean NOT NULL,
    author_id bigint NOT NULL,
    signer_id bigint NOT NULL,
    signed_at timestamp with time zone DEFAULT now() NOT NULL,
    sr_uid text NOT NULL,
    sr_series_uid text NOT NULL,
    pdf_uid text NOT NULL,
    pdf_series_uid text NOT NULL,
    sr_object_id bigint,
    pdf_object_id bigint,
    pdf_file_id bigint,
    rendered_at timestamp with time zone,
    CONSTRAINT report_rendered_tied CHECK ((((rendered_at IS NULL) = (sr_object_id IS NULL)) AND ((rendered_at IS NULL) = (pdf_object_id IS NULL)) AND ((rendered_at IS NULL) = (pdf_file_id IS NULL)))),
    CONSTRAINT report_state_known CHECK ((state = ANY (ARRAY['final'::text, 'amended'::text, 'retracted'::text])))
);
ALTER TABLE ONLY public.report FORCE ROW LEVEL SECURITY;
ALTER TABLE public.report ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.report_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.schema_migration (
    version integer NOT NULL,
    name text NOT NULL,
    sha256 bytea NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT schema_migration_sha256_length CHECK ((length(sha256) = 32))
);
CREATE TABLE public.series (
    id bigint NOT NULL,
    study_id bigint NOT NULL,
    series_uid text NOT NULL,
    modality text,
    number integer,
    description text,
    body_part text,
    laterality text,
    CONSTRAINT series_uid_form CHECK (((series_uid ~ '^[0-9.]+$'::text) AND (length(series_uid) <= 64)))
);
ALTER TABLE ONLY public.series FORCE ROW LEVEL SECURITY;
ALTER TABLE public.series ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.series_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.session (
    token_hash bytea NOT NULL,
    person_id bigint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT session_hash_length CHECK ((length(token_hash) = 32))
);
ALTER TABLE ONLY public.session FORCE ROW LEVEL SECURITY;
ALTER TABLE public.study ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.study_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.upload (
    id text NOT NULL,
    centre_id bigint NOT NULL,
    person_id bigint NOT NULL,
    length bigint NOT NULL,
    params jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    touched_at timestamp with time zone DEFAULT now() NOT NULL,
    done_at timestamp with time zone,
    answer jsonb,
    CONSTRAINT upload_done_whole CHECK (((done_at IS NULL) = (answer IS NULL))),
    CONSTRAINT upload_id_form CHECK ((id ~ '^[0-9a-f]{32}$'::text)),
    CONSTRAINT upload_length_positive CHECK ((length > 0))
);
ALTER TABLE ONLY public.upload FORCE ROW LEVEL SECURITY;
CREATE TABLE public.view_rule (
    phrase text NOT NULL,
    views integer NOT NULL,
    CONSTRAINT view_rule_form CHECK (((phrase = upper(phrase)) AND ((length(phrase) >= 1) AND (length(phrase) <= 64)))),
    CONSTRAINT view_rule_range CHECK (((views >= 1) AND (views <= 20)))
);
ALTER TABLE ONLY public.view_rule FORCE ROW LEVEL SECURITY;
ALTER TABLE ONLY public.advice_code
    ADD CONSTRAINT advice_code_pkey PRIMARY KEY (code);
ALTER TABLE ONLY public.audit
    ADD CONSTRAINT audit_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.body_part_word
    ADD CONSTRAINT body_part_word_pkey PRIMARY KEY (word, region);
ALTER TABLE ONLY public.commitment
    ADD CONSTRAINT commitment_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.commitment
    ADD CONSTRAINT commitment_transaction_unique UNIQUE (device_id, transaction_uid);
ALTER TABLE ONLY public.commitment_transition
    ADD CONSTRAINT commitment_transition_pkey PRIMARY KEY (state, event);
ALTER TABLE ONLY public.contract
    ADD CONSTRAINT contract_key_unique UNIQUE (centre_id, hospital_id, line_id);
ALTER TABLE ONLY public.contract
    ADD CONSTRAINT contract_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.delivery
    ADD CONSTRAINT delivery_once UNIQUE (report_id, destination_id);
ALTER TABLE ONLY public.delivery
    ADD CONSTRAINT delivery_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.destination
    ADD CONSTRAINT destination_name_unique UNIQUE (name);
ALTER TABLE ONLY public.destination
    ADD CONSTRAINT destination_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.device_contact
    ADD CONSTRAINT device_contact_key UNIQUE NULLS NOT DISTINCT (device_id, address, calling, called, cause);
ALTER TABLE ONLY public.device_contact
    ADD CONSTRAINT device_contact_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.device
    ADD CONSTRAINT device_key_unique UNIQUE NULLS NOT DISTINCT (aet, address, called);
ALTER TABLE ONLY public.device
    ADD CONSTRAINT device_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.device
    ADD CONSTRAINT device_watch_unique UNIQUE (watch_dir);
ALTER TABLE ONLY public.draft
    ADD CONSTRAINT draft_pkey PRIMARY KEY (exam_id);
ALTER TABLE ONLY public.ecg_limit
    ADD CONSTRAINT ecg_limit_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.ecg_measurement
    ADD CONSTRAINT ecg_measurement_pkey PRIMARY KEY (instance_id);
ALTER TABLE ONLY public.evidence_object
    ADD CONSTRAINT evidence_object_pkey PRIMARY KEY (evidence_id, sop_uid);
ALTER TABLE ONLY public.evidence
    ADD CONSTRAINT evidence_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.evidence
    ADD CONSTRAINT evidence_study_unique UNIQUE (study_uid, centre_id);
ALTER TABLE ONLY public.exam_advice
    ADD CONSTRAINT exam_advice_once UNIQUE NULLS NOT DISTINCT (exam_id, instance_id, code);
ALTER TABLE ONLY public.exam_advice
    ADD CONSTRAINT exam_advice_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.exam_event
    ADD CONSTRAINT exam_event_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.exam_order
    ADD CONSTRAINT exam_order_accession_unique UNIQUE (accession, centre_id);
ALTER TABLE ONLY public.exam_order_event
    ADD CONSTRAINT exam_order_event_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.exam_order
    ADD CONSTRAINT exam_order_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.exam_order
    ADD CONSTRAINT exam_order_placer_unique UNIQUE (centre_id, placer_issuer, placer_number);
ALTER TABLE ONLY public.exam_order
    ADD CONSTRAINT exam_order_study_unique UNIQUE (study_uid, centre_id);
ALTER TABLE ONLY public.exam_order_transition
    ADD CONSTRAINT exam_order_transition_pkey PRIMARY KEY (state, event);
ALTER TABLE ONLY public.exam
    ADD CONSTRAINT exam_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.exam
    ADD CONSTRAINT exam_study_unique UNIQUE (study_id);
ALTER TABLE ONLY public.exam_transition
    ADD CONSTRAINT exam_transition_pkey PRIMARY KEY (state, event);
ALTER TABLE ONLY public.hl7_code
    ADD CONSTRAINT hl7_code_key PRIMARY KEY (sender_id, code);
ALTER TABLE ONLY public.hl7_message
    ADD CONSTRAINT hl7_message_key PRIMARY KEY (sender_id, control_id);
ALTER TABLE ONLY public.hl7_sender
    ADD CONSTRAINT hl7_sender_key_unique UNIQUE NULLS NOT DISTINCT (app, facility, address);
ALTER TABLE ONLY public.hl7_sender
    ADD CONSTRAINT hl7_sender_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.instance
    ADD CONSTRAINT instance_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.instance
    ADD CONSTRAINT instance_uid_unique UNIQUE (sop_uid, centre_id, variant);
ALTER TABLE ONLY public.job
    ADD CONSTRAINT job_once UNIQUE (kind, subject_id);
ALTER TABLE ONLY public.job
    ADD CONSTRAINT job_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.line
    ADD CONSTRAINT line_code_unique UNIQUE (code);
ALTER TABLE ONLY public.line
    ADD CONSTRAINT line_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.object
    ADD CONSTRAINT object_location_unique UNIQUE (location);
ALTER TABLE ONLY public.object
    ADD CONSTRAINT object_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.organisation
    ADD CONSTRAINT organisation_code_unique UNIQUE (code);
ALTER TABLE ONLY public.organisation
    ADD CONSTRAINT organisation_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.patient_correction
    ADD CONSTRAINT patient_correction_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.patient
    ADD CONSTRAINT patient_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.performed_attribute
    ADD CONSTRAINT performed_attribute_pkey PRIMARY KEY (parent, tag);
ALTER TABLE ONLY public.performed_instance
    ADD CONSTRAINT performed_instance_pkey PRIMARY KEY (series_id, sop_uid);
ALTER TABLE ONLY public.performed_series
    ADD CONSTRAINT performed_series_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.performed_series
    ADD CONSTRAINT performed_series_unique UNIQUE (step_id, series_uid);
ALTER TABLE ONLY public.performed_step
    ADD CONSTRAINT performed_step_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.performed_step_transition
    ADD CONSTRAINT performed_step_transition_pkey PRIMARY KEY (state, event);
ALTER TABLE ONLY public.performed_step
    ADD CONSTRAINT performed_step_uid_unique UNIQUE (sop_uid, centre_id);
ALTER TABLE ONLY public.performed_study
    ADD CONSTRAINT performed_study_pkey PRIMARY KEY (study_uid, centre_id, step_id);
ALTER TABLE ONLY public.person
    ADD CONSTRAINT person_login_unique UNIQUE (login);
ALTER TABLE ONLY public.person
    ADD CONSTRAINT person_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.report
    ADD CONSTRAINT report_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.report
    ADD CONSTRAINT report_version_unique UNIQUE (exam_id, version);
ALTER TABLE ONLY public.schema_migration
    ADD CONSTRAINT schema_migration_pkey PRIMARY KEY (version);
ALTER TABLE ONLY public.series
    ADD CONSTRAINT series_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.series
    ADD CONSTRAINT series_uid_unique UNIQUE (study_id, series_uid);
ALTER TABLE ONLY public.session
    ADD CONSTRAINT session_pkey PRIMARY KEY (token_hash);
ALTER TABLE ONLY public.study
    ADD CONSTRAINT study_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.study
    ADD CONSTRAINT study_uid_unique UNIQUE (study_uid, centre_id);
ALTER TABLE ONLY public.upload
    ADD CONSTRAINT upload_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.view_rule
    ADD CONSTRAINT view_rule_pkey PRIMARY KEY (phrase);
CREATE INDEX audit_noun ON public.audit USING btree (noun, noun_id, at);
CREATE INDEX commitment_due ON public.commitment USING btree (device_id, next_at, id) WHERE (state = ANY (ARRAY['checking'::text, 'due'::text, 'sending'::text]));
CREATE INDEX contract_hospital ON public.contract USING btree (hospital_id, line_id, centre_id);
CREATE INDEX delivery_due ON public.delivery USING btree (next_at) WHERE (state = ANY (ARRAY['due'::text, 'sending'::text]));
CREATE INDEX device_contact_calling ON public.device_contact USING btree (lower(calling)) WHERE (device_id IS NULL);
CREATE INDEX device_contact_stranger ON public.device_contact USING btree (last_at) WHERE (device_id IS NULL);
CREATE INDEX ecg_measurement_exam ON public.ecg_measurement USING btree (exam_id);
CREATE INDEX exam_advice_device ON public.exam_advice USING btree (device_id, at);
CREATE INDEX exam_arriving ON public.exam USING btree (id) WHERE (state = 'arriving'::text);
CREATE INDEX exam_centre ON public.exam USING btree (centre_id, state_at);
CREATE INDEX exam_event_exam ON public.exam_event USING btree (exam_id);
CREATE INDEX exam_leased ON public.exam USING btree (lease_expires) WHERE (lease_holder IS NOT NULL);
CREATE INDEX exam_newest ON public.exam USING btree (centre_id, id);
CREATE INDEX exam_open ON public.exam USING btree (hospital_id, state) WHERE (state <> ALL (ARRAY['final'::text, 'retracted'::text, 'withdrawn'::text]));
CREATE INDEX exam_order_event_order ON public.exam_order_event USING btree (order_id);
CREATE INDEX exam_order_filler ON public.exam_order USING btree (centre_id, filler_number) WHERE (filler_number IS NOT NULL);
CREATE INDEX exam_order_newest ON public.exam_order USING btree (centre_id, id);
CREATE INDEX exam_order_of ON public.exam USING btree (order_id) WHERE (order_id IS NOT NULL);
CREATE INDEX exam_order_open ON public.exam_order USING btree (centre_id, scheduled_at) WHERE (state = ANY (ARRAY['scheduled'::text, 'started'::text]));
CREATE INDEX exam_order_patient ON public.exam_order USING btree (patient_id);
CREATE INDEX exam_order_stat ON public.exam_order USING btree (state_at) WHERE ((priority = 'stat'::text) AND (state <> 'cancelled'::text));
CREATE INDEX exam_order_state_newest ON public.exam_order USING btree (centre_id, state, id);
CREATE INDEX exam_state_newest ON public.exam USING btree (centre_id, state, id);
CREATE INDEX hl7_message_age ON public.hl7_message USING btree (received_at);
CREATE INDEX instance_object ON public.instance USING btree (object_id);
CREATE INDEX instance_original ON public.instance USING btree (original_id) WHERE (original_id IS NOT NULL);
CREATE INDEX instance_study ON public.instance USING btree (study_id);
CREATE INDEX job_broken_off ON public.job USING btree (kind) WHERE (broken_off > 0);
CREATE INDEX job_due ON public.job USING btree (kind, array_position(ARRAY['stat'::text, 'urgent'::text, 'routine'::text], priority), run_at, id) WHERE (state = ANY (ARRAY['queued'::text, 'running'::text]));
CREATE INDEX patient_born ON public.patient USING btree (issuer_id, birth_date);
CREATE INDEX patient_correction_patient ON public.patient_correction USING btree (patient_id);
CREATE UNIQUE INDEX patient_id_unique ON public.patient USING btree (patient_id, issuer_id) WHERE (patient_id IS NOT NULL);
CREATE INDEX patient_unspelled ON public.patient USING btree (id) WHERE ((pinyin IS NULL) AND (name IS NOT NULL));
CREATE INDEX performed_study_step ON public.performed_study USING btree (step_id);
CREATE UNIQUE INDEX report_pdf ON public.report USING btree (pdf_uid);
CREATE INDEX report_pdf_file ON public.report USING btree (pdf_file_id);
CREATE UNIQUE INDEX report_sr ON public.report USING btree (sr_uid);
CREATE INDEX report_unrendered ON public.report USING btree (id) WHERE (rendered_at IS NULL);
CREATE INDEX session_expiry ON public.session USING btree (expires_at);
CREATE INDEX study_patient ON public.study USING btree (patient_id);
CREATE INDEX upload_person ON public.upload USING btree (person_id) WHERE (done_at IS NULL);
CREATE TRIGGER contract_kept BEFORE DELETE OR UPDATE OF id ON public.contract FOR EACH STATEMENT EXECUTE FUNCTION public.noun_kept('set disabled_at');
CREATE TRIGGER device_kept BEFORE DELETE OR UPDATE OF id ON public.device FOR EACH STATEMENT EXECUTE FUNCTION public.noun_kept('set disabled_at');
CREATE TRIGGER exam_completed AFTER UPDATE OF state ON public.exam FOR EACH ROW WHEN (((old.state = 'arriving'::text) AND (new.state <> 'arriving'::text) AND (new.grade <> 'single'::text))) EXECUTE FUNCTION public.exam_completed();
CREATE TRIGGER exam_kept BEFORE DELETE OR UPDATE OF id ON public.exam FOR EACH STATEMENT EXECUTE FUNCTION public.noun_kept('withdraw it');
CREATE TRIGGER exam_left_order AFTER UPDATE OF state ON public.exam FOR EACH ROW WHEN (((old.state = 'arriving'::text) AND (new.state <> ALL (ARRAY['arriving'::text, 'withdrawn'::text])) AND (new.order_id IS NOT NULL))) EXECUTE FUNCTION public.exam_left_order();
CREATE TRIGGER line_kept BEFORE DELETE OR UPDATE OF id ON public.line FOR EACH STATEMENT EXECUTE FUNCTION public.noun_kept('set disabled_at');
CREATE TRIGGER organisation_kept BEFORE DELETE OR UPDATE OF id ON public.organisation FOR EACH STATEMENT EXECUTE FUNCTION public.noun_kept('set disabled_at');
CREATE TRIGGER study_kept BEFORE DELETE OR UPDATE OF id ON public.study FOR EACH STATEMENT EXECUTE FUNCTION public.noun_kept('withdraw its exam');
ALTER TABLE ONLY public.audit
    ADD CONSTRAINT audit_org_id_fkey FOREIGN KEY (org_id) REFERENCES public.organisation(id);
ALTER TABLE ONLY public.audit
    ADD CONSTRAINT audit_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.person(id);
ALTER TABLE ONLY public.commitment
    ADD CONSTRAINT commitment_centre_id_fkey FOREIGN KEY (centre_id) REFERENCES public.organisation(id);
ALTER TABLE ONLY public.commitment
    ADD CONSTRAINT commitment_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(id);
ALTER TABLE ONLY public.contract
    ADD CONSTRAINT contract_centre_id_fkey FOREIGN KEY (centre_id) REFERENCES public.organisation(id);
ALTER TABLE ONLY public.contract
    ADD CONSTRAINT contract_hospital_id_fkey FOREIGN KEY (hospital_id) REFERENCES public.organisation(id);
ALTER TABLE ONLY public.contract
    ADD CONSTRAINT contract_line_id_fkey FOREIGN KEY (line_id) REFERENCES public.line(id);
ALTER TABLE ONLY public.delivery
    ADD CONSTRAINT delivery_destination_id_fkey FOREIGN KEY (destination_id) REFERENCES public.destination(id);
ALTER TABLE ONLY public.delivery
    ADD CONSTRAINT delivery_report_id_fkey FOREIGN KEY (report_id) REFERENCES public.report(id);
ALTER TABLE ONLY public.destination
    ADD CONSTRAINT destination_org_id_fkey FOREIGN KEY (org_id) REFERENCES public.organisation(id);
ALTER TABLE ONLY public.device_contact
    ADD CONSTRAINT device_contact_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(id);
ALTER TABLE ONLY public.device
    ADD CONSTRAINT device_org_id_fkey FOREIGN KEY (org_id) REFERENCES public.organisation(id);
ALTER TABLE ONLY public.draft
    ADD CONSTRAINT draft_author_id_fkey FOREIGN KEY (author_id) REFERENCES public.person(id);
ALTER TABLE ONLY public.draft
    ADD CONSTRAINT draft_exam_id_fkey FOREIGN KEY (exam_id) REFERENCES public.exam(id);
ALTER TABLE ONLY public.ecg_measurement
    ADD CONSTRAINT ecg_measurement_earlier_id_fkey FOREIGN KEY (earlier_id) REFERENCES public.instance(id);
ALTER TABLE ONLY public.ecg_measurement
    ADD CONSTRAINT ecg_measurement_exam_id_fkey FOREIGN KEY (exam_id) REFERENCES public.exam(id);
ALTER TABLE ONLY public.ecg_measurement
    ADD CONSTRAINT ecg_measurement_instance_id_fkey FOREIGN KEY (instance_id) REFERENCES public.instance(id);
ALTER TABLE ONLY public.evidence
    ADD CONSTRAINT evidence_centre_id_fkey FOREIGN KEY (centre_id) REFERENCES public.organisation(id);
ALTER TABLE ONLY public.evidence_object
    ADD CONSTRAINT evidence_object_evidence_id_fkey FOREIGN KEY (evidence_id) REFERENCES public.evidence(id);
ALTER TABLE ONLY public.exam_advice
    ADD CONSTRAINT exam_advice_code_fkey FOREIGN KEY (code) REFERENCES public.advice_code(code);
ALTER TABLE ONLY public.exam_advice
    ADD CONSTRAINT exam_advice_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(id);
ALTER TABLE ONLY public.exam_advice
    ADD CONSTRAINT exam_advice_exam_id_fkey FOREIGN KEY (exam_id) REFERENCES public.exam(id);
ALTER TABLE ONLY public.exam_advice
    ADD CONSTRAINT exam_advice_instance_id_fkey FOREIGN KEY (instance_id) REFERENCES public.instance(id);
ALTER TABLE ONLY public.exam
    ADD CONSTRAINT exam_author_id_fkey FOREIGN KEY (author_id) REFERENCES public.person(id);
ALTER TABLE ONLY public.exam_event
    ADD CONSTRAINT exam_event_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.person(id);
ALTER TABLE ONLY public.exam
    ADD CONSTRAINT exam_lease_holder_fkey FOREIGN KEY (lease_holder) REFERENCES public.person(id);
ALTER TABLE ONLY public.exam_order
    ADD CONSTRAINT exam_order_centre_id_fkey FOREIGN KEY (centre_id) REFERENCES public.organisation(id);
ALTER TABLE ONLY public.exam_order_event
    ADD CONSTRAINT exam_order_event_order_id_fkey FOREIGN KEY (order_id) REFERENCES public.exam_order(id);
ALTER TABLE ONLY public.exam_order_event
    ADD CONSTRAINT exam_order_event_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.person(id);
ALTER TABLE ONLY public.exam
    ADD CONSTRAINT exam_order_known FOREIGN KEY (order_id) REFERENCES public.exam_order(id);
ALTER TABLE ONLY public.exam_order
    ADD CONSTRAINT exam_order_line_id_fkey FOREIGN KEY (line_id) REFERENCES public.line(id);
ALTER TABLE ONLY public.exam_order
    ADD CONSTRAINT exam_order_patient_id_fkey FOREIGN KEY (patient_id) REFERENCES public.patient(id);
ALTER TABLE ONLY public.hl7_code
    ADD CONSTRAINT hl7_code_sender_id_fkey FOREIGN KEY (sender_id) REFERENCES public.hl7_sender(id);
ALTER TABLE ONLY public.hl7_message
    ADD CONSTRAINT hl7_message_sender_id_fkey FOREIGN KEY (sender_id) REFERENCES public.hl7_sender(id);
ALTER TABLE ONLY public.hl7_sender
    ADD CONSTRAINT hl7_sender_org_id_fkey FOREIGN KEY (org_id) REFERENCES public.organisation(id);
ALTER TABLE ONLY public.instance
    ADD CONSTRAINT instance_series_id_fkey FOREIGN KEY (series_id) REFERENCES public.series(id);
ALTER TABLE ONLY public.patient_correction
    ADD CONSTRAINT patient_correction_exam_id_fkey FOREIGN KEY (exam_id) REFERENCES public.exam(id);
ALTER TABLE ONLY public.patient_correction
    ADD CONSTRAINT patient_correction_order_id_fkey FOREIGN KEY (order_id) REFERENCES public.exam_order(id);
ALTER TABLE ONLY public.patient_correction
    ADD CONSTRAINT patient_correction_patient_id_fkey FOREIGN KEY (patient_id) REFERENCES public.patient(id);
ALTER TABLE ONLY public.patient_correction
    ADD CONSTRAINT patient_correction_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.person(id);
ALTER TABLE ONLY public.performed_instance
    ADD CONSTRAINT performed_instance_series_id_fkey FOREIGN KEY (series_id) REFERENCES public.performed_series(id);
ALTER TABLE ONLY public.performed_series
    ADD CONSTRAINT performed_series_step_id_fkey FOREIGN KEY (step_id) REFERENCES public.performed_step(id);
ALTER TABLE ONLY public.performed_step
    ADD CONSTRAINT performed_step_centre_id_fkey FOREIGN KEY (centre_id) REFERENCES public.organisation(id);
ALTER TABLE ONLY public.performed_step
    ADD CONSTRAINT performed_step_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(id);
ALTER TABLE ONLY public.performed_study
    ADD CONSTRAINT performed_study_centre_id_fkey FOREIGN KEY (centre_id) REFERENCES public.organisation(id);
ALTER TABLE ONLY public.performed_study
    ADD CONSTRAINT performed_study_step_id_fkey FOREIGN KEY (step_id) REFERENCES public.performed_step(id);
ALTER TABLE ONLY public.person
    ADD CONSTRAINT person_org_id_fkey FOREIGN KEY (org_id) REFERENCES public.organisation(id);
ALTER TABLE ONLY public.report
    ADD CONSTRAINT report_author_id_fkey FOREIGN KEY (author_id) REFERENCES public.person(id);
ALTER TABLE ONLY public.report
    ADD CONSTRAINT report_exam_id_fkey FOREIGN KEY (exam_id) REFERENCES public.exam(id);
ALTER TABLE ONLY public.report
    ADD CONSTRAINT report_pdf_file_id_fkey FOREIGN KEY (pdf_file_id) REFERENCES public.object(id);
ALTER TABLE ONLY public.report
    ADD CONSTRAINT report_pdf_object_id_fkey FOREIGN KEY (pdf_object_id) REFERENCES public.object(id);
ALTER TABLE ONLY public.report
    ADD CONSTRAINT report_signer_id_fkey FOREIGN KEY (signer_id) REFERENCES public.person(id);
ALTER TABLE ONLY public.report
    ADD CONSTRAINT report_sr_object_id_fkey FOREIGN KEY (sr_object_id) REFERENCES public.object(id);
ALTER TABLE ONLY public.session
    ADD CONSTRAINT session_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.person(id);
ALTER TABLE ONLY public.study
    ADD CONSTRAINT study_patient_id_fkey FOREIGN KEY (patient_id) REFERENCES public.patient(id);
ALTER TABLE ONLY public.upload
    ADD CONSTRAINT upload_centre_id_fkey FOREIGN KEY (centre_id) REFERENCES public.organisation(id);
ALTER TABLE ONLY public.upload
    ADD CONSTRAINT upload_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.person(id);
ALTER TABLE public.advice_code ENABLE ROW LEVEL SECURITY;
CREATE POLICY all_read ON public.exam_order_transition USING (true);
CREATE POLICY all_read ON public.exam_transition USING (true);
CREATE POLICY api_read ON public.advice_code FOR SELECT TO rdc_api USING (true);
CREATE POLICY api_read ON public.commitment FOR SELECT TO rdc_api USING ((EXISTS ( SELECT
   FROM public.device d
  WHERE (d.id = commitment.device_id))));
CREATE POLICY api_read ON public.contract FOR SELECT TO rdc_api USING (((( SELECT public.rdc_org() AS rdc_org) = centre_id) OR (( SELECT public.rdc_org() AS rdc_org) = hospital_id)));
CREATE POLICY api_read ON public.delivery FOR SELECT TO rdc_api USING ((EXISTS ( SELECT
   FROM public.report r
  WHERE (r.id = delivery.report_id))));
CREATE POLICY api_read ON public.destination FOR SELECT TO rdc_api USING (((org_id = ( SELECT public.rdc_org() AS rdc_org)) OR (EXISTS ( SELECT
   FROM public.delivery d
  WHERE (d.destination_id = destination.id)))));
CREATE POLICY api_read ON public.device FOR SELECT TO rdc_api USING ((org_id = ( SELECT public.rdc_org() AS rdc_org)));
CREATE POLICY api_read ON public.device_contact FOR SELECT TO rdc_api USING ((EXISTS ( SELECT
   FROM public.device d
  WHERE
        CASE
            WHEN (device_contact.device_id IS NOT NULL) THEN (d.id = device_contact.device_id)
            ELSE ((lower(d.aet) = lower(device_contact.calling)) OR ((d.address)::inet = device_contact.address))
        END)));
CREATE POLICY api_read ON public.draft FOR SELECT TO rdc_api USING ((EXISTS ( SELECT
   FROM public.exam e
  WHERE ((e.id = draft.exam_id) AND (e.hospital_id = public.rdc_org())))));
CREATE POLICY api_read ON public.ecg_limit FOR SELECT TO rdc_api USING (true);
CREATE POLICY api_read ON public.ecg_measurement FOR SELECT TO rdc_api USING ((EXISTS ( SELECT
   FROM public.exam e
  WHERE (e.id = ecg_measurement.exam_id))));
CREATE POLICY api_read ON public.exam FOR SELECT TO rdc_api USING (((centre_id = ( SELECT public.rdc_org() AS rdc_org)) OR ((centre_id, line_id) IN ( SELECT c.centre_id,
    c.line_id
   FROM public.contract c
  WHERE ((c.hospital_id = public.rdc_org()) AND (c.disabled_at IS NULL))))));
CREATE POLICY api_read ON public.exam_advice FOR SELECT TO rdc_api USING (((EXISTS ( SELECT
   FROM public.exam e
  WHERE (e.id = exam_advice.exam_id))) OR (EXISTS ( SELECT
   FROM public.device d
  WHERE (d.id = exam_advice.device_id)))));
CREATE POLICY api_read ON public.exam_event FOR SELECT TO rdc_api USING ((EXISTS ( SELECT
   FROM public.exam e
  WHERE (e.id = exam_event.exam_id))));
CREATE POLICY api_read ON public.exam_order FOR SELECT TO rdc_api USING (((centre_id = ( SELECT public.rdc_org() AS rdc_org)) OR ((centre_id, line_id) IN ( SELECT c.centre_id,
    c.line_id
   FROM public.contract c
  WHERE ((c.hospital_id = public.rdc_org()) AND (c.disabled_at IS NULL))))));
CREATE POLICY api_read ON public.exam_order_event FOR SELECT TO rdc_api USING ((EXISTS ( SELECT
   FROM public.exam_order o
  WHERE (o.id = exam_order_event.order_id))));
CREATE POLICY api_read ON public.instance FOR SELECT TO rdc_api USING (((centre_id = ( SELECT public.rdc_org() AS rdc_org)) OR (EXISTS ( SELECT
   FROM public.exam e
  WHERE (e.study_id = instance.study_id)))));
CREATE POLICY api_read ON public.line FOR SELECT TO rdc_api USING ((( SELECT public.rdc_org() AS rdc_org) IS NOT NULL));
CREATE POLICY api_read ON public.object FOR SELECT TO rdc_api USING (((EXISTS ( SELECT
   FROM public.instance i
  WHERE (i.object_id = object.id))) OR (EXISTS ( SELECT
   FROM public.instance i
  WHERE (i.original_id = object.id))) OR (EXISTS ( SELECT
   FROM public.report r
  WHERE (r.pdf_file_id = object.id)))));
CREATE POLICY api_read ON public.organisation FOR SELECT TO rdc_api USING (((id = ( SELECT public.rdc_org() AS rdc_org)) OR (id IN ( SELECT c.centre_id
   FROM public.contract c
  WHERE (c.hospital_id = public.rdc_org()))) OR (id IN ( SELECT c.hospital_id
   FROM public.contract c
  WHERE (c.centre_id = public.rdc_org())))));
CREATE POLICY api_read ON public.patient FOR SELECT TO rdc_api USING (((issuer_id = ( SELECT public.rdc_org() AS rdc_org)) OR (EXISTS ( SELECT
   FROM public.study s
  WHERE (s.patient_id = patient.id))) OR (EXISTS ( SELECT
   FROM public.exam_order o
  WHERE (o.patient_id = patient.id)))));
CREATE POLICY api_read ON public.patient_correction FOR SELECT TO rdc_api USING ((EXISTS ( SELECT
   FROM public.patient p
  WHERE (p.id = patient_correction.patient_id))));
CREATE POLICY api_read ON public.report FOR SELECT TO rdc_api USING ((EXISTS ( SELECT
   FROM public.exam e
  WHERE (e.id = report.exam_id))));
CREATE POLICY api_read ON public.series FOR SELECT TO rdc_api USING ((EXISTS ( SELECT
   FROM public.exam e
  WHERE (e.study_id = series.study_id))));
CREATE POLICY api_read ON public.study FOR SELECT TO rdc_api USING (((centre_id = ( SELECT public.rdc_org() AS rdc_org)) OR (EXISTS ( SELECT
   FROM public.exam e
  WHERE (e.study_id = study.id)))));
CREATE POLICY api_read ON public.upload FOR SELECT TO rdc_api USING ((centre_id = ( SELECT public.rdc_org() AS rdc_org)));
ALTER TABLE public.audit ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.body_part_word ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.commitment ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.commitment_transition ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.contract ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.delivery ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.destination ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.device ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.device_contact ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.draft ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.ecg_limit ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.ecg_measurement ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.evidence ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.evidence_object ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.exam ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.exam_advice ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.exam_event ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.exam_order ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.exam_order_event ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.exam_order_transition ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.exam_transition ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.hl7_code ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.hl7_message ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.hl7_sender ENABLE ROW LEVEL SECURITY;
CREATE POLICY ingest_all ON public.advice_code FOR SELECT TO rdc_ingest USING (true);
CREATE POLICY ingest_all ON public.audit FOR SELECT TO rdc_ingest USING (true);
CREATE POLICY ingest_all ON public.body_part_word FOR SELECT TO rdc_ingest USING (true);
CREATE POLICY ingest_all ON public.commitment FOR SELECT TO rdc_ingest USING (true);
CREATE POLICY ingest_all ON public.commitment_transition FOR SELECT TO rdc_ingest USING (true);
CREATE POLICY ingest_all ON public.contract FOR SELECT TO rdc_ingest USING (true);
CREATE POLICY ingest_all ON public.delivery FOR SELECT TO rdc_ingest USING (true);
CREATE POLICY ingest_all ON public.destination FOR SELECT TO rdc_ingest USING (true);
CREATE POLICY ingest_all ON public.device FOR SELECT TO rdc_ingest USING (true);
CREATE POLICY ingest_all ON public.device_contact FOR SELECT TO rdc_ingest USING (true);
CREATE POLICY ingest_all ON public.draft FOR SELECT TO rdc_ingest USING (true);
CREATE POLICY ingest_all ON public.ecg_limit FOR SELECT TO rdc_ingest USING (true);
CREATE POLICY ingest_all ON public.ecg_measurement FOR SELECT TO rdc_ingest USING (true);
CREATE POLICY ingest_all ON public.evidence FOR SELECT TO rdc_ingest USING (true);
CREATE POLICY ingest_all ON public.evidence_object FOR SELECT TO rdc_ingest USING (true);
CREATE POLICY ingest_all ON public.exam FOR SELECT TO rdc_ingest USING (true);
CREATE POLICY ingest_all ON public.exam_advice FOR SELECT TO rdc_ingest USING (true);
CREATE POLICY ingest_all ON public.exam_event FOR SELECT TO rdc_ingest USING (true);
CREATE POLICY ingest_all ON public.exam_order FOR SELECT TO rdc_ingest USING (true);
CREATE POLICY ingest_all ON public.exam_order_event FOR SELECT TO rdc_ingest USING (true);
CREATE POLICY ingest_all ON public.instance FOR SELECT TO rdc_ingest USING (true);
CREATE POLICY ingest_all ON public.job FOR SELECT TO rdc_ingest USING (true);
CREATE POLICY ingest_all ON public.line FOR SELECT TO rdc_ingest USING (true);
CREATE POLICY ingest_all ON public.object FOR SELECT TO rdc_ingest USING (true);
CREATE POLICY ingest_all ON public.organisation FOR SELECT TO rdc_ingest USING (true);
CREATE POLICY ingest_all ON public.patient FOR SELECT TO rdc_ingest USING (true);
CREATE POLICY ingest_all ON public.patient_correction FOR SELECT TO rdc_ingest USING (true);
CREATE POLICY ingest_all ON public.performed_attribute FOR SELECT TO rdc_ingest USING (true);
CREATE POLICY ingest_all ON public.performed_instance FOR SELECT TO rdc_ingest USING (true);
CREATE POLICY ingest_all ON public.performed_series FOR SELECT TO rdc_ingest USING (true);
CREATE POLICY ingest_all ON public.performed_step FOR SELECT TO rdc_ingest USING (true);
CREATE POLICY ingest_all ON public.performed_step_transition FOR SELECT TO rdc_ingest USING (true);
CREATE POLICY ingest_all ON public.performed_study FOR SELECT TO rdc_ingest USING (true);
CREATE POLICY ingest_all ON public.person FOR SELECT TO rdc_ingest USING (true);
CREATE POLICY ingest_all ON public.report FOR SELECT TO rdc_ingest USING (true);
CREATE POLICY ingest_all ON public.series FOR SELECT TO rdc_ingest USING (true);
CREATE POLICY ingest_all ON public.session FOR SELECT TO rdc_ingest USING (true);
CREATE POLICY ingest_all ON public.study FOR SELECT TO rdc_ingest USING (true);
CREATE POLICY ingest_all ON public.view_rule FOR SELECT TO rdc_ingest USING (true);
ALTER TABLE public.instance ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.job ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.line ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.object ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.organisation ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON public.advice_code TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.audit TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.body_part_word TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.commitment TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.commitment_transition TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.contract TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.delivery TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.destination TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.device TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.device_contact TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.draft TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.ecg_limit TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.ecg_measurement TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.evidence TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.evidence_object TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.exam TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.exam_advice TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.exam_event TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.exam_order TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.exam_order_event TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.hl7_code TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.hl7_message TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.hl7_sender TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.instance TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.job TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.line TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.object TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.organisation TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.patient TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.patient_correction TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.performed_attribute TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.performed_instance TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.performed_series TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.performed_step TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.performed_step_transition TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.performed_study TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.person TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.report TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.series TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.session TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.study TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.upload TO rdc USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON public.view_rule TO rdc USING (true) WITH CHECK (true);
ALTER TABLE public.patient ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.patient_correction ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.performed_attribute ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.performed_instance ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.performed_series ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.performed_step ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.performed_step_transition ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.performed_study ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.person ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.report ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.series ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.session ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.study ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.upload ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.view_rule ENABLE ROW LEVEL SECURITY;
GRANT SELECT ON TABLE public.exam TO rdc_api;
GRANT SELECT ON TABLE public.exam TO rdc_ingest;
GRANT SELECT ON TABLE public.instance TO rdc_api;
GRANT SELECT ON TABLE public.instance TO rdc_ingest;
REVOKE ALL ON FUNCTION public.advice_check(i public.instance, e public.exam) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.advice_damage(p_instance bigint, p_code text, p_why text) FROM PUBLIC;
GRANT SELECT ON TABLE public.exam_order TO rdc_api;
GRANT SELECT ON TABLE public.exam_order TO rdc_ingest;
REVOKE ALL ON FUNCTION public.advice_order(o public.exam_order, m jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.advice_radiography(m jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.advice_views(e public.exam, o public.exam_order) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.audit_read(p_kind text, p_exam bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION public.audit_read(p_kind text, p_exam bigint) TO rdc_api;
REVOKE ALL ON FUNCTION public.audit_write(p_action text, p_noun text, p_id bigint, p_detail jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.body_regions(p_text text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.check_centre(i public.instance, e public.exam) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.check_conflict(i public.instance, e public.exam, p_shown bytea, p_verdict text, p_why text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.check_done(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.check_done(p jsonb) TO rdc_ingest;
REVOKE ALL ON FUNCTION public.check_input(p_instance bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.check_one(i public.instance, e public.exam, p_other text, p_verdict text, p_why text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.check_same(i public.instance, e public.exam) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.check_wanted(p_instances bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.commitment_begin(p_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION public.commitment_begin(p_id bigint) TO rdc_ingest;
REVOKE ALL ON FUNCTION public.commitment_checked(p_job bigint, p_id bigint, p_failures integer[], p_locations text[], p_lease_seconds integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.commitment_checked(p_job bigint, p_id bigint, p_failures integer[], p_locations text[], p_lease_seconds integer) TO rdc_ingest;
REVOKE ALL ON FUNCTION public.commitment_claim(p_limit integer, p_lease_seconds integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.commitment_claim(p_limit integer, p_lease_seconds integer) TO rdc_ingest;
REVOKE ALL ON FUNCTION public.commitment_done(p_id bigint, p_lease bigint, p_error text, p_retry_min integer, p_retry_max integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.commitment_done(p_id bigint, p_lease bigint, p_error text, p_retry_min integer, p_retry_max integer) TO rdc_ingest;
GRANT SELECT ON TABLE public.commitment TO rdc_ingest;
GRANT SELECT ON TABLE public.commitment TO rdc_api;
REVOKE ALL ON FUNCTION public.commitment_found(c public.commitment) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.commitment_input(c public.commitment) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.commitment_items(c public.commitment) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.commitment_move(p_id bigint, p_event text, p_lease_seconds integer, p_error text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.commitment_report(c public.commitment) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.commitment_request(p_centre bigint, p_device bigint, p_uid text, p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.commitment_request(p_centre bigint, p_device bigint, p_uid text, p jsonb) TO rdc_ingest;
REVOKE ALL ON FUNCTION public.commitment_tell(p_id bigint, p_lease_seconds integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.commitment_tell(p_id bigint, p_lease_seconds integer) TO rdc_ingest;
REVOKE ALL ON FUNCTION public.commitment_uids_formed(p_uids text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.conflict_note(e public.exam, p_sop_uid text, p_sha256 text, p jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.constraint_text(p_constraint text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.contact_note(p_notes jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.contact_note(p_notes jsonb) TO rdc_ingest;
GRANT SELECT ON TABLE public.device_contact TO rdc_api;
GRANT SELECT ON TABLE public.device_contact TO rdc_ingest;
REVOKE ALL ON FUNCTION public.contact_row(c public.device_contact, p_causes jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.contact_row(c public.device_contact, p_causes jsonb) TO rdc_api;
REVOKE ALL ON FUNCTION public.contract_id(p_centre text, p_hospital text, p_line text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.delivery_claim(p_limit integer, p_lease_seconds integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.delivery_claim(p_limit integer, p_lease_seconds integer) TO rdc_ingest;
REVOKE ALL ON FUNCTION public.delivery_done(p_delivery bigint, p_lease bigint, p_outcome text, p_message text, p_retry_min integer, p_retry_max integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.delivery_done(p_delivery bigint, p_lease bigint, p_outcome text, p_message text, p_retry_min integer, p_retry_max integer) TO rdc_ingest;
REVOKE ALL ON FUNCTION public.delivery_renew(p_deliveries bigint[], p_leases bigint[], p_lease_seconds integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.delivery_renew(p_deliveries bigint[], p_leases bigint[], p_lease_seconds integer) TO rdc_ingest;
REVOKE ALL ON FUNCTION public.delivery_retry(p_delivery bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.device_advice(p_devices bigint[]) FROM PUBLIC;
GRANT ALL ON FUNCTION public.device_advice(p_devices bigint[]) TO rdc_api;
REVOKE ALL ON FUNCTION public.device_commitments(p_devices bigint[]) FROM PUBLIC;
GRANT ALL ON FUNCTION public.device_commitments(p_devices bigint[]) TO rdc_api;
REVOKE ALL ON FUNCTION public.device_doctor(p_aet text, p_causes jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.device_doctor(p_aet text, p_causes jsonb) TO rdc_api;
REVOKE ALL ON FUNCTION public.device_find(p_aet text, p_address inet, p_called text, p_certificate text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.device_find(p_aet text, p_address inet, p_called text, p_certificate text) TO rdc_ingest;
REVOKE ALL ON FUNCTION public.device_id(p_aet text, p_address inet, p_called text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.dicom_date(p text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.dicom_date_like(p_date date, p_key text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.dicom_ends(p text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.dicom_items(p jsonb, p_tag text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.dicom_like(p_value text, p_key text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.dicom_name_like(p_name text, p_pinyin text, p_key text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.dicom_number(m jsonb, p_tag text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.dicom_side(m jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.dicom_text(p jsonb, p_tag text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.dicom_time(p text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.dicom_time_end(p text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.dimse_reply(p_status integer, p_comment text, p_tags text[], p_error_id integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.ecg_class(p_sop_class text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.ecg_compared_file(p_uid text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.ecg_compared_file(p_uid text) TO rdc_api;
GRANT SELECT ON TABLE public.ecg_measurement TO rdc_api;
GRANT SELECT ON TABLE public.ecg_measurement TO rdc_ingest;
REVOKE ALL ON FUNCTION public.ecg_comparison(m public.ecg_measurement) FROM PUBLIC;
GRANT ALL ON FUNCTION public.ecg_comparison(m public.ecg_measurement) TO rdc_api;
REVOKE ALL ON FUNCTION public.ecg_earlier(p_instance bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.ecg_limits() FROM PUBLIC;
GRANT ALL ON FUNCTION public.ecg_limits() TO rdc_ingest;
REVOKE ALL ON FUNCTION public.ecg_measured(i public.instance, p_exam bigint, p jsonb, p_earlier bigint) FROM PUBLIC;
GRANT SELECT ON TABLE public.study TO rdc_api;
GRANT SELECT ON TABLE public.study TO rdc_ingest;
REVOKE ALL ON FUNCTION public.ecg_recorded(s public.study, i public.instance) FROM PUBLIC;
GRANT ALL ON FUNCTION public.ecg_recorded(s public.study, i public.instance) TO rdc_api;
REVOKE ALL ON FUNCTION public.ecg_same_patient(a public.exam, b public.exam) FROM PUBLIC;
GRANT ALL ON FUNCTION public.ecg_same_patient(a public.exam, b public.exam) TO rdc_api;
REVOKE ALL ON FUNCTION public.ecg_unmeasured(p_cause text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.evidence_exam(p_centre bigint, p_study_uid text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.evidence_grew(p_instances bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.evidence_note(p_centre bigint, p_study_uid text, p_kind text, p_open boolean, p_add boolean, p_uids text[], p_count integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.evidence_of_commitment(c public.commitment) FROM PUBLIC;
GRANT SELECT ON TABLE public.performed_step TO rdc_ingest;
REVOKE ALL ON FUNCTION public.evidence_of_steps(s public.performed_step) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.evidence_weigh(p_id bigint, e public.exam) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.evidence_without_list(s public.performed_step, p_study_uid text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.exam_advice_list(p_exam bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION public.exam_advice_list(p_exam bigint) TO rdc_api;
REVOKE ALL ON FUNCTION public.exam_alarmed(p_exam bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.exam_centre_act(p_exam bigint, p_event text, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.exam_centre_act(p_exam bigint, p_event text, p_reason text) TO rdc_api;
REVOKE ALL ON FUNCTION public.exam_claim(p_exam bigint, p_lease_seconds integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.exam_claim(p_exam bigint, p_lease_seconds integer) TO rdc_api;
REVOKE ALL ON FUNCTION public.exam_complete(e public.exam, p_grade text, p_expected integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.exam_complete_all(p_exams bigint[], p_grade text, p_expected integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.exam_complete_due() FROM PUBLIC;
GRANT ALL ON FUNCTION public.exam_complete_due() TO rdc_ingest;
REVOKE ALL ON FUNCTION public.exam_completed() FROM PUBLIC;
REVOKE ALL ON FUNCTION public.exam_completeness(e public.exam) FROM PUBLIC;
GRANT ALL ON FUNCTION public.exam_completeness(e public.exam) TO rdc_api;
REVOKE ALL ON FUNCTION public.exam_conflicts(e public.exam) FROM PUBLIC;
GRANT ALL ON FUNCTION public.exam_conflicts(e public.exam) TO rdc_api;
GRANT SELECT ON TABLE public.contract TO rdc_api;
GRANT SELECT ON TABLE public.contract TO rdc_ingest;
REVOKE ALL ON FUNCTION public.exam_contract(p_centre bigint, p_line bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.exam_damaged(e public.exam) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.exam_detail(e public.exam) FROM PUBLIC;
GRANT ALL ON FUNCTION public.exam_detail(e public.exam) TO rdc_api;
REVOKE ALL ON FUNCTION public.exam_draft(p_exam bigint, p_lease bigint, p_content jsonb, p_lease_seconds integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.exam_draft(p_exam bigint, p_lease bigint, p_content jsonb, p_lease_seconds integer) TO rdc_api;
REVOKE ALL ON FUNCTION public.exam_ecg(p_exam bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION public.exam_ecg(p_exam bigint) TO rdc_api;
REVOKE ALL ON FUNCTION public.exam_expire_due() FROM PUBLIC;
GRANT ALL ON FUNCTION public.exam_expire_due() TO rdc_ingest;
REVOKE ALL ON FUNCTION public.exam_extend(p_exam bigint, p_lease bigint, p_lease_seconds integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.exam_get(p_exam bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION public.exam_get(p_exam bigint) TO rdc_api;
REVOKE ALL ON FUNCTION public.exam_heartbeat(p_exam bigint, p_lease bigint, p_lease_seconds integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.exam_heartbeat(p_exam bigint, p_lease bigint, p_lease_seconds integer) TO rdc_api;
REVOKE ALL ON FUNCTION public.exam_left_order() FROM PUBLIC;
REVOKE ALL ON FUNCTION public.exam_list(p_state text, p_since timestamp with time zone, p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.exam_list(p_state text, p_since timestamp with time zone, p_limit integer) TO rdc_api;
REVOKE ALL ON FUNCTION public.exam_meet_order(p_exam bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.exam_move(p_exam public.exam, p_event text, p_detail jsonb, p_holder bigint, p_lease_seconds integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.exam_newest(p_state text, p_since timestamp with time zone, p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.exam_newest(p_state text, p_since timestamp with time zone, p_limit integer) TO rdc_api;
GRANT SELECT ON TABLE public.patient TO rdc_api;
GRANT SELECT ON TABLE public.patient TO rdc_ingest;
REVOKE ALL ON FUNCTION public.exam_object_patient(e public.exam, p_now public.patient) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.exam_objects(p_study bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION public.exam_objects(p_study bigint) TO rdc_api;
REVOKE ALL ON FUNCTION public.exam_objects_digest(p_study bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION public.exam_objects_digest(p_study bigint) TO rdc_api;
REVOKE ALL ON FUNCTION public.exam_order_of(e public.exam) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.exam_raised(p_exam bigint, p_old text, p_new text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.exam_reader(e public.exam) FROM PUBLIC;
GRANT ALL ON FUNCTION public.exam_reader(e public.exam) TO rdc_api;
REVOKE ALL ON FUNCTION public.exam_reader_act(p_exam bigint, p_event text, p_lease bigint, p_reason text, p_hospital text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.exam_reader_act(p_exam bigint, p_event text, p_lease bigint, p_reason text, p_hospital text) TO rdc_api;
REVOKE ALL ON FUNCTION public.exam_recall(p_exam bigint, p_lease_seconds integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.exam_recall(p_exam bigint, p_lease_seconds integer) TO rdc_api;
REVOKE ALL ON FUNCTION public.exam_require_free(e public.exam) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.exam_require_lease(e public.exam, p_lease bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.exam_require_shown(e public.exam, p_objects_digest text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.exam_resolve(p_exam bigint, p_patient text, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.exam_resolve(p_exam bigint, p_patient text, p_reason text) TO rdc_api;
REVOKE ALL ON FUNCTION public.exam_resolve_object(p_exam bigint, p_object text, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.exam_resolve_object(p_exam bigint, p_object text, p_reason text) TO rdc_api;
REVOKE ALL ON FUNCTION public.exam_route(e public.exam, p_event text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.exam_rows(p_exams bigint[]) FROM PUBLIC;
GRANT ALL ON FUNCTION public.exam_rows(p_exams bigint[]) TO rdc_api;
REVOKE ALL ON FUNCTION public.exam_scope() FROM PUBLIC;
REVOKE ALL ON FUNCTION public.exam_set_priority(p_exam bigint, p_priority text, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.exam_set_priority(p_exam bigint, p_priority text, p_reason text) TO rdc_api;
REVOKE ALL ON FUNCTION public.exam_sign(p_exam bigint, p_lease bigint, p_objects_digest text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.exam_sign(p_exam bigint, p_lease bigint, p_objects_digest text) TO rdc_api;
REVOKE ALL ON FUNCTION public.exam_submit(p_exam bigint, p_lease bigint, p_objects_digest text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.exam_submit(p_exam bigint, p_lease bigint, p_objects_digest text) TO rdc_api;
REVOKE ALL ON FUNCTION public.exam_take(p_exam bigint, VARIADIC p_roles text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.exam_take_for_reading(p_exam bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.exam_two_step(e public.exam) FROM PUBLIC;
GRANT ALL ON FUNCTION public.exam_two_step(e public.exam) TO rdc_api;
REVOKE ALL ON FUNCTION public.exam_worklist(p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.exam_worklist(p_limit integer) TO rdc_api;
REVOKE ALL ON FUNCTION public.exam_written_content(e public.exam) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.fail(p_status integer, p_message text, p_hint text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.fail(p_status integer, p_message text, p_hint text) TO rdc_api;
REVOKE ALL ON FUNCTION public.fhir_find(p_system text, p_value text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.fhir_find(p_system text, p_value text) TO rdc_api;
REVOKE ALL ON FUNCTION public.fhir_order(p jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.fhir_put(p_requests jsonb, p_atomic boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION public.fhir_put(p_requests jsonb, p_atomic boolean) TO rdc_api;
REVOKE ALL ON FUNCTION public.fhir_put_one(r jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.hl7_location(p_constraint text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.hl7_order(s public.hl7_sender, p jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.hl7_receive(p_sender bigint, p_control text, p_digest bytea, p_orders jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.hl7_receive(p_sender bigint, p_control text, p_digest bytea, p_orders jsonb) TO rdc_ingest;
REVOKE ALL ON FUNCTION public.hl7_sender_find(p_app text, p_facility text, p_address inet, p_certificate text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.hl7_sender_find(p_app text, p_facility text, p_address inet, p_certificate text) TO rdc_ingest;
REVOKE ALL ON FUNCTION public.hl7_sender_id(p_name text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.hl7_unmapped(s public.hl7_sender, p_code text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.ingest_against_order(e public.exam, p jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.ingest_conflict(e public.exam, p_cause text, p jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.ingest_exam(s public.study, p jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.ingest_exam_grew(e public.exam, p jsonb, p_first boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.ingest_one(p jsonb, p_metadata json) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.ingest_patient(p_centre bigint, p jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.ingest_plain(p_batch jsonb, p_metadata json[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.ingest_series(p_study bigint, p jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.ingest_store(p_batch jsonb, p_metadata json[]) FROM PUBLIC;
GRANT ALL ON FUNCTION public.ingest_store(p_batch jsonb, p_metadata json[]) TO rdc_ingest;
REVOKE ALL ON FUNCTION public.ingest_study(p_centre bigint, p jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.instance_file(p_uid text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.instance_file(p_uid text) TO rdc_api;
REVOKE ALL ON FUNCTION public.instance_show(i public.instance, e public.exam) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.integrity_findings() FROM PUBLIC;
REVOKE ALL ON FUNCTION public.integrity_repair() FROM PUBLIC;
REVOKE ALL ON FUNCTION public.integrity_rerender(p_object bigint, p_location text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.job_claim(p_kind text, p_limit integer, p_lease_seconds integer, p_first boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION public.job_claim(p_kind text, p_limit integer, p_lease_seconds integer, p_first boolean) TO rdc_ingest;
REVOKE ALL ON FUNCTION public.job_failed(p_job bigint, p_error text, p_retry_seconds integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.job_failed(p_job bigint, p_error text, p_retry_seconds integer) TO rdc_ingest;
REVOKE ALL ON FUNCTION public.job_owner() FROM PUBLIC;
REVOKE ALL ON FUNCTION public.job_put_back(p_job bigint, p_error text, p_retry_seconds integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.job_put_back(p_job bigint, p_error text, p_retry_seconds integer) TO rdc_ingest;
REVOKE ALL ON FUNCTION public.job_renew(p_jobs bigint[], p_lease_seconds integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.job_renew(p_jobs bigint[], p_lease_seconds integer) TO rdc_ingest;
REVOKE ALL ON FUNCTION public.line_id(p_code text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.look_kind(p_sop_class text, p_syntax text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.manifest_covers(p_centre bigint, p_study_uid text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.manifest_put(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.manifest_put(p jsonb) TO rdc_api;
REVOKE ALL ON FUNCTION public.manifest_take(p_centre bigint, p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.manifest_take(p_centre bigint, p jsonb) TO rdc_ingest;
REVOKE ALL ON FUNCTION public.measure_done(p_jobs bigint[], p_instances bigint[], p_figures text[], p_earlier bigint[]) FROM PUBLIC;
GRANT ALL ON FUNCTION public.measure_done(p_jobs bigint[], p_instances bigint[], p_figures text[], p_earlier bigint[]) TO rdc_ingest;
REVOKE ALL ON FUNCTION public.measure_input(p_instance bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.metadata_done(p_job bigint, p_instance bigint, p_metadata json, p_short text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.metadata_done(p_job bigint, p_instance bigint, p_metadata json, p_short text) TO rdc_ingest;
REVOKE ALL ON FUNCTION public.mpps_create(p_centre bigint, p_device bigint, p_uid text, p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.mpps_create(p_centre bigint, p_device bigint, p_uid text, p jsonb) TO rdc_ingest;
REVOKE ALL ON FUNCTION public.mpps_set(p_centre bigint, p_device bigint, p_uid text, p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.mpps_set(p_centre bigint, p_device bigint, p_uid text, p jsonb) TO rdc_ingest;
REVOKE ALL ON FUNCTION public.name_hanzi(p_name text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.name_key(p_name text, p_pinyin text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.name_key(p_name text, p_pinyin text) TO rdc_api;
REVOKE ALL ON FUNCTION public.noun_kept() FROM PUBLIC;
REVOKE ALL ON FUNCTION public.object_broken(p_instance bigint, p_why text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.object_broken(p_instance bigint, p_why text) TO rdc_ingest;
REVOKE ALL ON FUNCTION public.object_damage(p_ids bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.object_damaged(p_locations jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.object_damaged(p_locations jsonb) TO rdc_ingest;
REVOKE ALL ON FUNCTION public.object_insert(p jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.object_known(p_locations text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION public.object_known(p_locations text[]) TO rdc_ingest;
REVOKE ALL ON FUNCTION public.object_replace(p_id bigint, p jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.order_against(p_order bigint, p_patient_id text, p_name text, p_birth text, p_sex text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.order_conflicts(o public.exam_order) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.order_corrected_at(p_order bigint, p jsonb, p_against text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.order_expects(o public.exam_order) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.order_fill(o public.exam_order, p jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.order_find(p_centre bigint, p jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.order_get(p_order bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION public.order_get(p_order bigint) TO rdc_api;
REVOKE ALL ON FUNCTION public.order_hold(o public.exam_order, p_hold boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.order_identified(p_centre bigint, p_system text, p_value text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.order_identified(p_centre bigint, p_system text, p_value text) TO rdc_api;
REVOKE ALL ON FUNCTION public.order_insert(p_centre bigint, p jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.order_list(p_state text, p_accession text, p_patient text, p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.order_list(p_state text, p_accession text, p_patient text, p_limit integer) TO rdc_api;
REVOKE ALL ON FUNCTION public.order_move(o public.exam_order, p_event text, p_detail jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.order_moved(o public.exam_order) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.order_newest(p_state text, p_accession text, p_patient text, p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.order_newest(p_state text, p_accession text, p_patient text, p_limit integer) TO rdc_api;
REVOKE ALL ON FUNCTION public.order_notes(p_order jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.order_of_study(p_centre bigint, p_study_uid text, p_accession text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.order_patient(p_centre bigint, p jsonb, p_old bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.order_progress(p_order bigint, p_event text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.order_progress(p_order bigint, p_event text) TO rdc_ingest;
REVOKE ALL ON FUNCTION public.order_put(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.order_put(p jsonb) TO rdc_api;
REVOKE ALL ON FUNCTION public.order_row(o public.exam_order) FROM PUBLIC;
GRANT ALL ON FUNCTION public.order_row(o public.exam_order) TO rdc_api;
REVOKE ALL ON FUNCTION public.order_stand_in(p_accession text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.order_stat(p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.order_stat(p_limit integer) TO rdc_ingest;
REVOKE ALL ON FUNCTION public.order_time(p text, p_zone text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.order_turn(p_centre bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.order_upsert(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.order_upsert(p jsonb) TO rdc_ingest;
REVOKE ALL ON FUNCTION public.order_value(p jsonb, p_key text, p_old text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.org_id(p_code text, p_kind text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.patient_candidates(p public.patient) FROM PUBLIC;
GRANT ALL ON FUNCTION public.patient_candidates(p public.patient) TO rdc_api;
REVOKE ALL ON FUNCTION public.patient_contradictions(a_name text, a_pinyin text, a_birth date, a_sex text, b_name text, b_pinyin text, b_birth date, b_sex text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.patient_correct(p public.patient, p_order bigint, p_exam bigint, p_reason text, p_after jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.patient_spell(p_ids bigint[], p_pinyin text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION public.patient_spell(p_ids bigint[], p_pinyin text[]) TO rdc_ingest;
REVOKE ALL ON FUNCTION public.patient_unspelled(p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.patient_unspelled(p_limit integer) TO rdc_ingest;
REVOKE ALL ON FUNCTION public.patient_update(p_centre bigint, p jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.patient_view(p public.patient) FROM PUBLIC;
GRANT ALL ON FUNCTION public.patient_view(p public.patient) TO rdc_api;
REVOKE ALL ON FUNCTION public.performed_has(p_centre bigint, p_study_uid text, p_series_uid text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.performed_lists(s public.performed_step) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.performed_missing(p jsonb, p_parent text, p_when text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.performed_not_to_set(s public.performed_step, p jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.performed_orders(s public.performed_step, p_event text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.performed_shared(p_step bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.performed_step_move(s public.performed_step, p_event text, p_content jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.performed_unclear(p_step bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.person_name(p_person bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION public.person_name(p_person bigint) TO rdc_api;
REVOKE ALL ON FUNCTION public.rdc_org() FROM PUBLIC;
GRANT ALL ON FUNCTION public.rdc_org() TO rdc_api;
GRANT ALL ON FUNCTION public.rdc_org() TO rdc_ingest;
REVOKE ALL ON FUNCTION public.rdc_person() FROM PUBLIC;
GRANT ALL ON FUNCTION public.rdc_person() TO rdc_api;
GRANT ALL ON FUNCTION public.rdc_person() TO rdc_ingest;
REVOKE ALL ON FUNCTION public.rdc_person_role() FROM PUBLIC;
GRANT ALL ON FUNCTION public.rdc_person_role() TO rdc_api;
GRANT ALL ON FUNCTION public.rdc_person_role() TO rdc_ingest;
REVOKE ALL ON FUNCTION public.rebuild_one(p_record jsonb, p_provenance jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.render_failed(p_report bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION public.render_failed(p_report bigint) TO rdc_api;
REVOKE ALL ON FUNCTION public.report_content_check(p_content jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.report_file(p_exam bigint, p_version integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.report_file(p_exam bigint, p_version integer) TO rdc_api;
REVOKE ALL ON FUNCTION public.report_instance(p_exam public.exam, p_series_uid text, p_modality text, p_sop_uid text, p_sop_class text, p_number integer, p_object bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.report_render_input(p_report bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.report_rendered(p_job bigint, p_report bigint, p_sr jsonb, p_pdf jsonb, p_pdf_file jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.report_rendered(p_job bigint, p_report bigint, p_sr jsonb, p_pdf jsonb, p_pdf_file jsonb) TO rdc_ingest;
REVOKE ALL ON FUNCTION public.resident_id_contradictions(p_id text, p_birth date, p_sex text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.sees_exam(p_centre bigint, p_line bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION public.sees_exam(p_centre bigint, p_line bigint) TO rdc_api;
GRANT ALL ON FUNCTION public.sees_exam(p_centre bigint, p_line bigint) TO rdc_ingest;
REVOKE ALL ON FUNCTION public.session_close(p_token_hash bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION public.session_close(p_token_hash bytea) TO rdc_api;
REVOKE ALL ON FUNCTION public.session_enter(p_token_hash bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION public.session_enter(p_token_hash bytea) TO rdc_api;
REVOKE ALL ON FUNCTION public.session_failed(p_person bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION public.session_failed(p_person bigint) TO rdc_api;
REVOKE ALL ON FUNCTION public.session_login(p_login text, OUT person bigint, OUT hash text, OUT closed integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.session_login(p_login text, OUT person bigint, OUT hash text, OUT closed integer) TO rdc_api;
REVOKE ALL ON FUNCTION public.session_open(p_person bigint, p_token_hash bytea, p_minutes integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.session_open(p_person bigint, p_token_hash bytea, p_minutes integer) TO rdc_api;
REVOKE ALL ON FUNCTION public.status_report() FROM PUBLIC;
GRANT ALL ON FUNCTION public.status_report() TO rdc_ingest;
REVOKE ALL ON FUNCTION public.stranger_doctor(p_causes jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.uid_new() FROM PUBLIC;
REVOKE ALL ON FUNCTION public.upload_begin(p_id text, p_length bigint, p_params jsonb, p_most integer, p_bytes bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION public.upload_begin(p_id text, p_length bigint, p_params jsonb, p_most integer, p_bytes bigint) TO rdc_api;
REVOKE ALL ON FUNCTION public.upload_done(p_id text, p_answer jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.upload_done(p_id text, p_answer jsonb) TO rdc_ingest;
REVOKE ALL ON FUNCTION public.upload_drop(p_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.upload_drop(p_id text) TO rdc_ingest;
REVOKE ALL ON FUNCTION public.upload_expire(p_seconds integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.upload_expire(p_seconds integer) TO rdc_ingest;
REVOKE ALL ON FUNCTION public.upload_find(p_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.upload_find(p_id text) TO rdc_api;
REVOKE ALL ON FUNCTION public.upload_permit() FROM PUBLIC;
GRANT ALL ON FUNCTION public.upload_permit() TO rdc_api;
REVOKE ALL ON FUNCTION public.watch_claim(p_owner text, p_seconds integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.watch_claim(p_owner text, p_seconds integer) TO rdc_ingest;
REVOKE ALL ON FUNCTION public.worklist_find(p_centre bigint, p_station text, p_keys jsonb, p_expire_hours integer, p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.worklist_find(p_centre bigint, p_station text, p_keys jsonb, p_expire_hours integer, p_limit integer) TO rdc_ingest;
REVOKE ALL ON FUNCTION public.worklist_matches(v jsonb, o public.exam_order, p public.patient, k jsonb) FROM PUBLIC;
GRANT SELECT ON TABLE public.organisation TO rdc_api;
GRANT SELECT ON TABLE public.organisation TO rdc_ingest;
REVOKE ALL ON FUNCTION public.worklist_row(o public.exam_order, p public.patient, c public.organisation, p_station text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.worklist_span(p_tag text, p_date text, p_time text, p_zone text, OUT v_from timestamp with time zone, OUT v_to timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.worklist_time_like(p_local timestamp without time zone, p_date text, p_time text) FROM PUBLIC;
GRANT SELECT ON TABLE public.advice_code TO rdc_api;
GRANT SELECT ON TABLE public.advice_code TO rdc_ingest;
GRANT SELECT ON TABLE public.body_part_word TO rdc_api;
GRANT SELECT ON TABLE public.body_part_word TO rdc_ingest;
GRANT SELECT ON TABLE public.commitment_transition TO rdc_ingest;
GRANT SELECT ON TABLE public.delivery TO rdc_api;
GRANT SELECT ON TABLE public.delivery TO rdc_ingest;
GRANT SELECT ON TABLE public.destination TO rdc_api;
GRANT SELECT ON TABLE public.destination TO rdc_ingest;
GRANT SELECT ON TABLE public.device TO rdc_api;
GRANT SELECT ON TABLE public.device TO rdc_ingest;
GRANT SELECT ON TABLE public.draft TO rdc_api;
GRANT SELECT ON TABLE public.draft TO rdc_ingest;
GRANT SELECT ON TABLE public.ecg_limit TO rdc_api;
GRANT SELECT ON TABLE public.ecg_limit TO rdc_ingest;
GRANT SELECT ON TABLE public.evidence TO rdc_ingest;
GRANT SELECT ON TABLE public.evidence_object TO rdc_ingest;
GRANT SELECT ON TABLE public.exam_advice TO rdc_api;
GRANT SELECT ON TABLE public.exam_advice TO rdc_ingest;
GRANT SELECT ON TABLE public.exam_event TO rdc_api;
GRANT SELECT ON TABLE public.exam_event TO rdc_ingest;
GRANT SELECT ON TABLE public.exam_order_event TO rdc_api;
GRANT SELECT ON TABLE public.exam_order_event TO rdc_ingest;
GRANT SELECT ON TABLE public.exam_order_transition TO rdc_api;
GRANT SELECT ON TABLE public.exam_order_transition TO rdc_ingest;
GRANT SELECT ON TABLE public.exam_transition TO rdc_api;
GRANT SELECT ON TABLE public.exam_transition TO rdc_ingest;
GRANT SELECT ON TABLE public.job TO rdc_ingest;
GRANT SELECT ON TABLE public.line TO rdc_api;
GRANT SELECT ON TABLE public.line TO rdc_ingest;
GRANT SELECT ON TABLE public.object TO rdc_api;
GRANT SELECT ON TABLE public.object TO rdc_ingest;
GRANT SELECT ON TABLE public.patient_correction TO rdc_api;
GRANT SELECT ON TABLE public.patient_correction TO rdc_ingest;
GRANT SELECT ON TABLE public.performed_attribute TO rdc_ingest;
GRANT SELECT ON TABLE public.performed_instance TO rdc_ingest;
GRANT SELECT ON TABLE public.performed_series TO rdc_ingest;
GRANT SELECT ON TABLE public.performed_step_transition TO rdc_ingest;
GRANT SELECT ON TABLE public.performed_study TO rdc_ingest;
GRANT SELECT ON TABLE public.report TO rdc_api;
GRANT SELECT ON TABLE public.report TO rdc_ingest;
GRANT SELECT ON TABLE public.series TO rdc_api;
GRANT SELECT ON TABLE public.series TO rdc_ingest;
GRANT SELECT ON TABLE public.upload TO rdc_api;
GRANT SELECT ON TABLE public.view_rule TO rdc_api;
GRANT SELECT ON TABLE public.view_rule TO rdc_ingest;
ALTER DEFAULT PRIVILEGES FOR ROLE rdc REVOKE ALL ON FUNCTIONS  FROM PUBLIC;
