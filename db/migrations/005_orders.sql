-- Orders: what a centre means to do, for whom and when. The modality worklist
-- is read from them, and an object that answers an order is its patient's.

create table exam_order (
    id bigint generated always as identity primary key,
    centre_id bigint not null references organisation,
    accession text not null,
    -- the order's key at who placed it, and at who fills it
    placer_number text,
    placer_issuer text not null default '',
    filler_number text,
    patient_id bigint not null references patient,
    study_uid text not null,
    procedure_code text,
    procedure_scheme text,
    description text,
    modality text not null,
    line_id bigint references line,
    station text,       -- AE title; null = any of the centre's devices
    station_name text,
    location text,
    scheduled_at timestamptz not null,
    priority text not null default 'routine',
    requester text,
    referrer text,
    performer text,
    admission_id text,
    reason text,
    state text not null default 'scheduled',
    state_at timestamptz not null default now(),
    conflicts jsonb not null default '[]',
    created_at timestamptz not null default now(),
    constraint exam_order_accession_unique unique (accession, centre_id),
    constraint exam_order_placer_unique unique (centre_id, placer_issuer, placer_number),
    constraint exam_order_study_unique unique (study_uid, centre_id),
    -- PS3.5 6.2: SH has 16 characters, LO and each group of a PN 64, AE and CS 16
    constraint exam_order_accession_form check (accession ~ '^[^\\[:cntrl:]]{1,16}$' and accession = btrim(accession)),
    constraint exam_order_placer_form check (placer_number ~ '^[^\\[:cntrl:]]{1,64}$'),
    constraint exam_order_filler_form check (filler_number ~ '^[^\\[:cntrl:]]{1,64}$'),
    constraint exam_order_study_form check (study_uid ~ '^[0-2](\.(0|[1-9][0-9]*))+$' and length(study_uid) <= 64),
    constraint exam_order_procedure_form check (procedure_code ~ '^[^\\[:cntrl:]]{1,16}$'
        and coalesce(procedure_scheme, '') ~ '^[^\\[:cntrl:]]{0,16}$'),
    constraint exam_order_description_form check (description ~ '^[^\\[:cntrl:]]{1,64}$'),
    constraint exam_order_modality_form check (modality ~ '^[A-Z0-9_]{1,16}$'),
    constraint exam_order_station_form check (station ~ '^[^\\[:cntrl:]]{1,16}$' and station = btrim(station)),
    constraint exam_order_station_name_form check (station_name ~ '^[^\\[:cntrl:]]{1,16}$'),
    constraint exam_order_location_form check (location ~ '^[^\\[:cntrl:]]{1,16}$'),
    constraint exam_order_requester_form check (requester ~ '^[^\\[:cntrl:]]{1,194}$'),
    constraint exam_order_referrer_form check (referrer ~ '^[^\\[:cntrl:]]{1,194}$'),
    constraint exam_order_performer_form check (performer ~ '^[^\\[:cntrl:]]{1,194}$'),
    constraint exam_order_admission_form check (admission_id ~ '^[^\\[:cntrl:]]{1,64}$'),
    constraint exam_order_reason_form check (length(reason) <= 2000),
    constraint exam_order_priority_known check (priority in ('stat', 'urgent', 'routine')),
    constraint exam_order_state_known check (state in ('scheduled', 'held', 'started', 'done', 'cancelled'))
);
-- Whoever gives a value of another form is told this: constraint_text().
comment on constraint exam_order_accession_form on exam_order is 'the accession number has up to 16 characters, no \ or control characters, and no blanks around it';
comment on constraint exam_order_placer_form on exam_order is 'the placer number has up to 64 characters, no \ or control characters';
comment on constraint exam_order_filler_form on exam_order is 'the filler number has up to 64 characters, no \ or control characters';
comment on constraint exam_order_study_form on exam_order is 'the Study Instance UID has up to 64 digits and dots, as 1.2.3';
comment on constraint exam_order_procedure_form on exam_order is 'the procedure code and its scheme have up to 16 characters each, no \ or control characters';
comment on constraint exam_order_description_form on exam_order is 'the description has up to 64 characters, no \ or control characters';
comment on constraint exam_order_modality_form on exam_order is 'the modality is a code as CT: up to 16 of A-Z, 0-9 and _';
comment on constraint exam_order_station_form on exam_order is 'the station is an AE title: up to 16 characters, no \ or control characters, and no blanks around it';
comment on constraint exam_order_station_name_form on exam_order is 'the station name has up to 16 characters, no \ or control characters';
comment on constraint exam_order_location_form on exam_order is 'the location has up to 16 characters, no \ or control characters';
comment on constraint exam_order_requester_form on exam_order is 'the requester has up to 194 characters, no \ or control characters';
comment on constraint exam_order_referrer_form on exam_order is 'the referrer has up to 194 characters, no \ or control characters';
comment on constraint exam_order_performer_form on exam_order is 'the performer has up to 194 characters, no \ or control characters';
comment on constraint exam_order_admission_form on exam_order is 'the admission number has up to 64 characters, no \ or control characters';
comment on constraint exam_order_reason_form on exam_order is 'the reason has up to 2000 characters';
comment on constraint exam_order_priority_known on exam_order is 'the priority is stat, urgent or routine';
comment on constraint patient_id_given on patient is 'the patient ID is not empty';
comment on constraint patient_sex_known on patient is 'the sex is M, F or O';
create index exam_order_open on exam_order (centre_id, scheduled_at) where state in ('scheduled', 'started');
create index exam_order_patient on exam_order (patient_id);
create index exam_order_filler on exam_order (centre_id, filler_number) where filler_number is not null;
create index exam_order_stat on exam_order (state_at) where priority = 'stat' and state <> 'cancelled';

create table exam_order_event (
    id bigint generated always as identity primary key,
    order_id bigint not null references exam_order,
    at timestamptz not null default now(),
    person_id bigint references person,
    event text not null,
    from_state text,
    to_state text not null,
    detail jsonb
);
create index exam_order_event_order on exam_order_event (order_id);

alter table exam add constraint exam_order_known foreign key (order_id) references exam_order;
alter table exam add constraint exam_quarantine_tied check (quarantined_at is null or order_id is not null);
create index exam_order_of on exam (order_id) where order_id is not null;

-- pinyin: the name in Latin capitals, FAMILY^GIVEN; set by the program.
alter table patient add column pinyin text, add column resident_id text;

-- What a person changed about a patient, and what stood there before.
create table patient_correction (
    id bigint generated always as identity primary key,
    patient_id bigint not null references patient,
    order_id bigint references exam_order,
    exam_id bigint references exam,
    at timestamptz not null default now(),
    person_id bigint references person,
    reason text,
    before jsonb not null,
    after jsonb not null
);
create index patient_correction_patient on patient_correction (patient_id);

do $$
declare
    t text;
begin
    foreach t in array array['exam_order', 'exam_order_event', 'patient_correction'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy owner_all on %I to %I using (true) with check (true)',
                       t, current_user);
        execute format('create policy ingest_all on %I for select to rdc_ingest using (true)', t);
        execute format('grant select on %I to rdc_api, rdc_ingest', t);
    end loop;
end $$;

-- Its own centre, and the hospitals that read this line for it.
create policy api_read on exam_order for select to rdc_api using (
    centre_id = (select rdc_org())
    or (centre_id, line_id) in (select c.centre_id, c.line_id from contract c
        where c.hospital_id = rdc_org() and c.disabled_at is null));
create policy api_read on exam_order_event for select to rdc_api using (
    exists (select from exam_order o where o.id = exam_order_event.order_id));
create policy api_read on patient_correction for select to rdc_api using (
    exists (select from patient p where p.id = patient_correction.patient_id));

alter policy api_read on patient using (
    issuer_id = (select rdc_org())
    or exists (select from study s where s.patient_id = patient.id)
    or exists (select from exam_order o where o.patient_id = patient.id));

-- ---------------------------------------------------------------- states

--   scheduled ─start─► started ─finish─► done
--   scheduled ─finish─► done          started ─discontinue─► cancelled
--   scheduled ─cancel─► cancelled     scheduled ─hold─► held ─resume─► scheduled
--   held ─start│finish│discontinue│cancel─► as from scheduled
--   cancelled ─restart─► started, when a device begins it all the same
--
-- scheduled and started stand on the worklist until their time is over; a
-- state changes in order_move() and nowhere else.
create table exam_order_transition (
    state text not null,
    event text not null,
    next_state text not null,
    primary key (state, event)
);
insert into exam_order_transition (state, event, next_state) values
    ('scheduled', 'start', 'started'),          -- MPPS N-CREATE, or the first object
    ('scheduled', 'finish', 'done'),
    ('scheduled', 'discontinue', 'cancelled'),
    ('scheduled', 'cancel', 'cancelled'),
    ('scheduled', 'hold', 'held'),
    ('held', 'resume', 'scheduled'),
    ('held', 'start', 'started'),               -- it was done all the same
    ('held', 'finish', 'done'),
    ('held', 'discontinue', 'cancelled'),
    ('held', 'cancel', 'cancelled'),
    ('started', 'finish', 'done'),              -- MPPS COMPLETED, or the study is complete
    ('started', 'discontinue', 'cancelled'),    -- MPPS DISCONTINUED
    ('started', 'cancel', 'cancelled'),
    ('cancelled', 'restart', 'started');        -- another MPPS N-CREATE
alter table exam_order_transition enable row level security;
alter table exam_order_transition force row level security;
create policy all_read on exam_order_transition using (true);
grant select on exam_order_transition to rdc_api, rdc_ingest;

create function order_move(o exam_order, p_event text, p_detail jsonb default null) returns exam_order
language plpgsql as
$$
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

-- What a device or an exam tells about an order: what is over stays so.
create function order_progress(p_order bigint, p_event text) returns void
language plpgsql security definer set search_path = public as
$$
declare
    o exam_order;
begin
    select * into o from exam_order where id = p_order for update;
    if exists (select from exam_order_transition where state = o.state and event = p_event) then
        perform order_move(o, p_event);
    end if;
end $$;

-- STAT orders that objects may still come for, the newest: images often follow
-- the MPPS that finished their order.
create function order_stat(p_limit int) returns table (centre_id bigint, accession text, study_uid text)
language sql stable security definer set search_path = public as
$$
    select centre_id, accession, study_uid from exam_order
    where priority = 'stat' and state <> 'cancelled' and state_at > now() - interval '7 days'
        and (state <> 'done' or state_at > now() - interval '1 hour')
    order by state_at desc limit p_limit
$$;
grant execute on function order_stat(int) to rdc_ingest;

-- ---------------------------------------------------------------- patients

-- GB 11643: 17 digits and a check character; digits 7 to 14 are the birth date,
-- the 17th is odd for men. Returns what contradicts: checksum, birth_date, sex.
-- A number whose digits are no birth date is not taken for a resident ID.
create function resident_id_contradictions(p_id text, p_birth date, p_sex text) returns text[]
language plpgsql immutable as
$$
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
end $$;

-- A name as letters only: the same for 测试一 (through its pinyin), CESHI YI
-- and Ceshi^Yi. Null when there are none.
create function name_key(p_name text, p_pinyin text) returns text language sql immutable as
$$ select nullif(regexp_replace(upper(split_part(coalesce(nullif(p_pinyin, ''), p_name), '=', 1)), '[^A-Z]', '', 'g'), '') $$;

-- The Hanzi (and what else is not Latin) of a name; null when there are none.
create function name_hanzi(p_name text) returns text language sql immutable as
$$ select nullif(regexp_replace(p_name, '[\u0001-\u024f]', '', 'g'), '') $$;

-- Do these tell of two people? Only what both sides know counts. Hanzi decide
-- where both have them, else the letters: names written in two ways are one.
create function patient_contradictions(a_name text, a_pinyin text, a_birth date, a_sex text,
    b_name text, b_pinyin text, b_birth date, b_sex text) returns text[]
language sql immutable as
$$
    select array_remove(array[
        case when coalesce(name_hanzi(a_name) <> name_hanzi(b_name),
            name_key(a_name, a_pinyin) <> name_key(b_name, b_pinyin)) then 'name' end,
        case when a_birth <> b_birth then 'birth_date' end,
        case when a_sex <> b_sex and 'O' not in (a_sex, b_sex) then 'sex' end], null)
$$;

create function patient_view(p patient) returns jsonb language sql stable as
$$
    select jsonb_build_object('id', p.patient_id, 'name', p.name, 'pinyin', p.pinyin,
        'birth_date', p.birth_date, 'sex', p.sex, 'resident_id', p.resident_id)
$$;

-- Others of the same centre who may be the same person: same birth date, and
-- the same name or the same letters of it. Listed, never merged.
create function patient_candidates(p patient) returns jsonb language sql stable as
$$
    select coalesce(jsonb_agg(patient_view(q) order by q.id), '[]')
    from (select * from patient x
          where x.issuer_id = p.issuer_id and x.id <> p.id and x.birth_date = p.birth_date
            and (x.name = p.name or name_key(x.name, x.pinyin) = name_key(p.name, p.pinyin))
          order by x.id limit 20) q
$$;
create index patient_born on patient (issuer_id, birth_date);

-- Names that devices sent get their pinyin later, from the clock of the worklist.
create index patient_unspelled on patient (id) where pinyin is null and name is not null;
create function patient_unspelled(p_limit int) returns table (id bigint, name text)
language sql stable security definer set search_path = public as
$$ select id, name from patient where pinyin is null and name is not null order by id limit p_limit $$;
create function patient_spell(p_ids bigint[], p_pinyin text[]) returns void
language sql security definer set search_path = public as
$$
    update patient p set pinyin = v.pinyin from unnest(p_ids, p_pinyin) v(id, pinyin)
    where p.id = any (p_ids) and p.id = v.id and p.pinyin is null
$$;
grant execute on function patient_unspelled(int), patient_spell(bigint[], text[]) to rdc_ingest;

-- The Patient ID of whom an order names without one: a device needs some (PS3.4 Table K.6-1:
-- a return key of type 1). Another one that comes with the objects does not contradict it.
create function order_stand_in(p_accession text) returns text language sql immutable as
$$ select 'RDC-' || p_accession $$;

-- The patient an order names: found by ID, made when new. What an order adds is
-- filled in; what it contradicts is refused unless it says that it corrects.
create function order_patient(p_centre bigint, p jsonb, p_old bigint) returns bigint language plpgsql as
$$
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

-- The one way to change a patient: what stood there is kept.
create function patient_correct(p patient, p_order bigint, p_exam bigint, p_reason text, p_after jsonb)
returns void language plpgsql as
$$
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

-- What the registration of the centre says of one of its patients now; of whom we have nothing
-- it does not matter. It may correct a patient that is known, and the orders that wait with it.
-- One who has studies already does not become somebody else: that would be an ID given twice.
create function patient_update(p_centre bigint, p jsonb) returns void language plpgsql as
$$
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

-- ---------------------------------------------------------------- orders

-- A moment as ISO 8601, as DICOM or HL7 write it, or a date alone; without an
-- offset it is in the centre's zone.
create function order_time(p text, p_zone text) returns timestamptz language plpgsql stable as
$$
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
end $$;

create function order_row(o exam_order) returns jsonb language plpgsql stable as
$$
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

-- What is odd about an order without being refused: told on it, for a person.
create function order_conflicts(o exam_order) returns jsonb language sql stable as
$$
    select coalesce(jsonb_agg(jsonb_build_object('cause', 'resident_id', 'what', c)), '[]')
    from patient p, unnest(resident_id_contradictions(coalesce(p.resident_id, p.patient_id),
        p.birth_date, p.sex)) c
    where p.id = o.patient_id
$$;

-- The same in words, for who enters one; null: nothing is odd.
create function order_notes(p_order jsonb) returns text language sql immutable as
$$
    select 'the resident ID does not fit: ' || string_agg(replace(c ->> 'what', '_', ' '), ', ')
    from jsonb_array_elements(p_order -> 'conflicts') c where c ->> 'cause' = 'resident_id'
$$;

create function order_find(p_centre bigint, p jsonb) returns exam_order language plpgsql as
$$
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

create function order_insert(p_centre bigint, p jsonb) returns exam_order language plpgsql as
$$
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

-- What an order says of one of its members; what it leaves out stays, unless the
-- order says that it is the whole ("replace").
create function order_value(p jsonb, p_key text, p_old text) returns text language sql immutable as
$$ select coalesce(nullif(p ->> p_key, ''), case when not coalesce((p ->> 'replace')::boolean, false) then p_old end) $$;

-- Its numbers, its time and what was given here are never taken away.
create function order_fill(o exam_order, p jsonb) returns exam_order language plpgsql as
$$
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

-- An order on hold stands on no worklist. Null: as it is.
create function order_hold(o exam_order, p_hold boolean) returns exam_order language plpgsql as
$$
begin
    if p_hold and o.state <> 'held' then
        return order_move(o, 'hold');
    elsif not p_hold and o.state = 'held' then
        return order_move(o, 'resume');
    end if;
    return o;
end $$;

-- Those who bring orders of a centre take turns, until they have committed: the same order twice
-- at once is one order, and whoever is second finds it.
create function order_turn(p_centre bigint) returns void language sql as
$$ select pg_advisory_xact_lock(hashtextextended('order ' || p_centre, 0)) $$;

-- One order, from whoever brings it (API, command line, FHIR, HL7): a member
-- "centre_id" says whose it is, "control" what is meant: new (must not be there
-- yet), change (must be there), cancel, complete, or nothing: new or change;
-- "hold" whether it waits for a word from its placer. Its key is the placer's number and
-- issuer, else the accession number, else the filler's number (or our "id").
-- Returns order_row with "outcome": created, changed, cancelled or same.
create function order_upsert(p jsonb) returns jsonb
language plpgsql security definer set search_path = public as
$$
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

-- The form for people: always of their own centre.
create function order_put(p jsonb) returns jsonb
language plpgsql security definer set search_path = public as
$$
begin
    perform upload_permit();
    return order_upsert(p || jsonb_build_object('centre_id', rdc_org()));
end $$;

create function order_get(p_order bigint) returns jsonb language plpgsql stable as
$$
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

-- As exam_newest().
create function order_newest(p_state text, p_accession text, p_patient text, p_limit int) returns bigint[]
language plpgsql stable security definer set search_path = public
set plan_cache_mode = force_custom_plan as
$$
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

create function order_list(p_state text, p_accession text, p_patient text, p_limit int) returns jsonb
language plpgsql stable as
$$
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
create index exam_order_newest on exam_order (centre_id, id);
create index exam_order_state_newest on exam_order (centre_id, state, id);

grant execute on function order_put(jsonb), order_row(exam_order), order_get(bigint),
    order_list(text, text, text, int), order_newest(text, text, text, int), patient_view(patient), patient_candidates(patient),
    name_key(text, text) to rdc_api;
grant execute on function order_upsert(jsonb), order_progress(bigint, text) to rdc_ingest;

-- ---------------------------------------------------------------- matching

-- What was begun is answered by what came of it, also when the device gave it up in the end.
create function order_expects(o exam_order) returns boolean language sql stable as
$$
    select o.state <> 'cancelled' or (select x.event = 'discontinue' from exam_order_event x
        where x.order_id = o.id and x.to_state = 'cancelled' order by x.id desc limit 1)
$$;

-- The order that a study answers: by its Study Instance UID, which we gave, else
-- by its accession number.
create function order_of_study(p_centre bigint, p_study_uid text, p_accession text) returns bigint
language plpgsql stable as
$$
begin
    return coalesce(
        (select id from exam_order o where study_uid = p_study_uid and centre_id + 0 = p_centre
            and order_expects(o)),
        (select id from exam_order o where accession = nullif(btrim(p_accession), '') and centre_id + 0 = p_centre
            and order_expects(o)));
end $$;

-- What an object says of its patient against what the order says.
create function order_against(p_order bigint, p_patient_id text, p_name text, p_birth text, p_sex text)
returns text[] language plpgsql stable as
$$
begin
    return (select case when p.patient_id <> nullif(btrim(p_patient_id), '')
                and p.patient_id <> order_stand_in(o.accession) then '{patient_id}' else '{}' end::text[]
            || patient_contradictions(p.name, p.pinyin, p.birth_date, p.sex, p_name, null,
                dicom_date(p_birth), nullif(p_sex, ''))
        from exam_order o join patient p on p.id = o.patient_id where o.id = p_order);
end $$;

-- A new exam finds its order, and with it its priority: who inserts an exam that is
-- arriving calls this. Objects without a Patient ID are the order's patient's,
-- unless they say otherwise.
create function exam_meet_order(p_exam bigint) returns exam language plpgsql as
$$
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

-- A study that is complete is no longer to do.
create function exam_left_order() returns trigger language plpgsql security definer
set search_path = public as
$$
begin
    perform order_progress(new.order_id, 'finish');
    return null;
end $$;
create trigger exam_left_order after update of state on exam for each row
when (old.state = 'arriving' and new.state not in ('arriving', 'withdrawn') and new.order_id is not null)
execute function exam_left_order();

-- When the patient of an order was corrected, after a device could have been told of it, from what
-- this object says; null: never. Only one thing may have changed, and the ID and what else tells
-- people apart must be known and the same: two things at once may be an ID given twice, whose first
-- bearer the object shows.
create function order_corrected_at(p_order bigint, p jsonb, p_against text[]) returns timestamptz
language sql stable as
$$
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

-- An object whose patient contradicts the order of its exam sets the exam aside, unless
-- it tells what the order told before its patient was corrected. The same contradiction is told once.
create function ingest_against_order(e exam, p jsonb) returns void language plpgsql as
$$
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

-- An order that became another patient's while its objects were coming: what has come is set aside
-- where it contradicts that, as what comes is.
create function order_moved(o exam_order) returns void language sql as
$$
    select ingest_against_order(e, jsonb_build_object('patient_id', p.patient_id, 'patient_name', p.name,
        'birth_date', to_char(p.birth_date, 'YYYYMMDD'), 'sex', p.sex))
    from exam e join study s on s.id = e.study_id join patient p on p.id = s.patient_id
    where e.order_id = o.id and p.id <> o.patient_id and e.state <> 'withdrawn'
$$;

-- A person of the centre decides whose study it is: the order's patient, or who
-- the objects say, and then it does not answer the order. The objects stay as
-- they came; the decision and what stood there before are kept.
create function exam_resolve(p_exam bigint, p_patient text, p_reason text) returns json
language plpgsql security definer set search_path = public as
$$
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

-- The patient whom the objects name. Where they bear the order's Patient ID with
-- another person's particulars, that ID is not theirs: a row without one.
create function exam_object_patient(e exam, p_now patient) returns patient language plpgsql as
$$
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
grant execute on function exam_resolve(bigint, text, text) to rdc_api;

-- ---------------------------------------------------------------- modality worklist

-- PS3.4 C.2.2.2.1 and C.2.2.2.4: one value, or with wildcards * and ?. Of several values,
-- which the standard has for UIDs only, any: some devices ask for the modalities CR\DX.
create function dicom_like(p_value text, p_key text) returns boolean language sql immutable as
$$
    select coalesce(p_value, '') like any (string_to_array(translate(replace(replace(
        translate(p_key, '\', E'\x1f'), '%', '\%'), '_', '\_'), '*?', '%_'), E'\x1f'))
$$;

-- A person name matches without regard to case, each group of the key in any of its groups or
-- in pinyin, as a whole, component by component, or by its letters (CESHIYI, and CESHI* as the
-- devices write it that add the asterisk themselves); what the key leaves out of either matches all.
create function dicom_name_like(p_name text, p_pinyin text, p_key text) returns boolean
language sql immutable as
$$
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
$$;

-- The moments that a date (p_tag) and a time key mean together (PS3.4 K.2.2.1.2), in the
-- centre's zone: from is included, to is not. Without a date, nothing. On one date a time range
-- that ends before it begins is that of a night, and ends on the next day.
create function worklist_span(p_tag text, p_date text, p_time text, p_zone text, out v_from timestamptz, out v_to timestamptz)
language plpgsql immutable as
$$
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

-- a-b, a-, -b or a as two ends.
create function dicom_ends(p text) returns text[] language sql immutable as
$$
    select case when position('-' in p) > 0
        then array[btrim(split_part(p, '-', 1)), btrim(split_part(p, '-', 2))]
        else array[btrim(p), btrim(p)] end
$$;

-- The end of what a time of this precision means: 10 is until 11:00.
create function dicom_time_end(p text) returns interval language sql immutable as
$$
    select dicom_time(p)::interval + case when p like '%.%' then interval '1 microsecond'
        when length(p) = 2 then interval '1 hour' when length(p) = 4 then interval '1 minute'
        else interval '1 second' end
$$;

-- A time key alone matches every day, and across midnight.
create function worklist_time_like(p_local timestamp, p_date text, p_time text) returns boolean
language plpgsql immutable as
$$
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

create function worklist_row(o exam_order, p patient, c organisation, p_station text) returns jsonb
language sql stable as
$$
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

create function dicom_date_like(p_date date, p_key text) returns boolean language plpgsql immutable as
$$
declare
    s record := worklist_span('(0010,0030)', p_key, null, 'UTC');
begin
    return p_date::timestamp at time zone 'UTC' >= s.v_from and p_date::timestamp at time zone 'UTC' < s.v_to;
end $$;

-- Do the keys match, all but date, time and the columns of the index? A station
-- of nobody's is anybody's. "NAME 2" is another attribute that has the value NAME.
create function worklist_matches(v jsonb, o exam_order, p patient, k jsonb) returns boolean
language sql immutable as
$$
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

-- The open orders of a centre that match, as worklist_row, most urgent first.
-- Keys by the names of worklist_row; p_station stands where none is scheduled.
create function worklist_find(p_centre bigint, p_station text, p_keys jsonb, p_expire_hours int, p_limit int)
returns jsonb language plpgsql stable security definer set search_path = public as
$$
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
grant execute on function worklist_find(bigint, text, jsonb, int, int) to rdc_ingest;
