-- The nouns of a diagnostic centre, who may see them, and the two roles that
-- the program works under.
--
--   rdc_api     people, through HTTP. Reads under row-level security as the
--               person and organisation set by session_enter(); writes only
--               through the functions of the later migrations.
--   rdc_ingest  devices and the queues; sees all, writes through functions.
--   the owner   (who runs the migrations) operators, through the command line.

do $$
begin
    if not exists (select from pg_roles where rolname = 'rdc_api') then
        create role rdc_api nologin;
    end if;
    if not exists (select from pg_roles where rolname = 'rdc_ingest') then
        create role rdc_ingest nologin;
    end if;
    execute format('grant rdc_api, rdc_ingest to %I', current_user);
end $$;

-- Who is asking, set for one transaction; null outside a session.
create function rdc_person() returns bigint language sql stable as
$$ select nullif(current_setting('rdc.person', true), '')::bigint $$;
create function rdc_org() returns bigint language sql stable as
$$ select nullif(current_setting('rdc.org', true), '')::bigint $$;
create function rdc_person_role() returns text language sql stable as
$$ select nullif(current_setting('rdc.role', true), '') $$;

-- ---------------------------------------------------------------- who

create table organisation (
    id bigint generated always as identity primary key,
    code text not null,
    name text not null,
    kind text not null,
    timezone text not null default 'Asia/Shanghai',
    created_at timestamptz not null default now(),
    disabled_at timestamptz,
    constraint organisation_code_unique unique (code),
    constraint organisation_code_form check (code ~ '^[A-Za-z0-9_-]{1,32}$'),
    constraint organisation_name_form check (length(name) between 1 and 200),
    constraint organisation_kind_known check (kind in ('centre', 'hospital'))
);

-- A service line: what is read by the same kind of specialist.
create table line (
    id bigint generated always as identity primary key,
    code text not null,
    name text not null,
    modalities text[] not null,
    two_step boolean not null default false,
    created_at timestamptz not null default now(),
    disabled_at timestamptz,
    constraint line_code_unique unique (code),
    constraint line_code_form check (code ~ '^[a-z0-9_-]{1,32}$'),
    constraint line_modalities_given check (cardinality(modalities) > 0)
);

insert into line (code, name, modalities) values
    ('ecg', '心电', '{ECG,HD,EPS}'),
    ('radiology', '放射', '{CR,DX,CT,MR,MG,RF,XA,PX,IO,RG,NM,PT,OT}'),
    ('ultrasound', '超声', '{US,IVUS}'),
    ('wound', '伤口与皮肤', '{XC,DMS,GM}');

create table device (
    id bigint generated always as identity primary key,
    org_id bigint not null references organisation,
    aet text not null,
    address cidr,
    called text,
    callback_host text,
    callback_port int,
    charset text,
    quiet_seconds int not null default 15,
    limit_seconds int not null default 300, -- an exam waits so long for objects that were announced
    certificate text, -- SHA-256, in hex: then it must be shown, over TLS
    -- limits of its own; null = as configured for every device
    max_associations int,
    max_rate int,
    max_bytes_in_flight bigint,
    created_at timestamptz not null default now(),
    disabled_at timestamptz,
    constraint device_key_unique unique nulls not distinct (aet, address, called),
    -- PS3.5 6.2: the default repertoire without backslash and control characters
    constraint device_aet_form check (aet ~ '^[\u0020-\u005b\u005d-\u007e]{1,16}$' and aet = btrim(aet)),
    constraint device_charset_known check (upper(charset) in ('UTF-8', 'GB18030', 'GBK', 'ISO 2022 IR 58',
        'ISO_IR 192', '\ISO 2022 IR 58', 'ASCII')),
    constraint device_called_form check (called ~ '^[\u0020-\u005b\u005d-\u007e]{1,16}$' and called = btrim(called)),
    constraint device_certificate_form check (certificate ~ '^[0-9a-f]{64}$'),
    constraint device_callback_whole check ((callback_host is null) = (callback_port is null)),
    constraint device_callback_port_range check (callback_port between 1 and 65535),
    constraint device_quiet_range check (quiet_seconds between 0 and 86400),
    constraint device_limit_range check (limit_seconds between 0 and 86400),
    constraint device_max_associations_range check (max_associations between 1 and 100000),
    constraint device_max_rate_range check (max_rate between 1 and 1000000),
    constraint device_max_bytes_range check (max_bytes_in_flight >= 1)
);

create table person (
    id bigint generated always as identity primary key,
    org_id bigint not null references organisation,
    login text not null,
    name text not null,
    role text not null,
    password_hash text not null,
    failures int not null default 0,
    locked_until timestamptz,
    created_at timestamptz not null default now(),
    disabled_at timestamptz,
    constraint person_login_unique unique (login),
    constraint person_login_form check (login ~ '^[a-z0-9._@-]{1,64}$'),
    constraint person_role_known check (role in ('technician', 'doctor', 'reader', 'admin'))
);

create table session (
    token_hash bytea primary key,
    person_id bigint not null references person,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    constraint session_hash_length check (length(token_hash) = 32)
);
create index session_expiry on session (expires_at);

-- For this centre and this line, this hospital reads, within this time.
create table contract (
    id bigint generated always as identity primary key,
    centre_id bigint not null references organisation,
    hospital_id bigint not null references organisation,
    line_id bigint not null references line,
    within_minutes int not null default 120,
    two_step boolean,
    created_at timestamptz not null default now(),
    disabled_at timestamptz,
    constraint contract_key_unique unique (centre_id, hospital_id, line_id),
    constraint contract_within_range check (within_minutes between 1 and 100000)
);
create index contract_hospital on contract (hospital_id, line_id, centre_id);

-- What work refers to is switched off (disabled_at), never deleted and never another row:
-- therefore the tables that grow with each object have no foreign keys to it, each of
-- which would be a look-up and a lock of the same row for every object. The same of studies
-- and exams, which are made in one statement with what refers to them, and of objects, which go only
-- with their instance (009): those foreign keys took a fifth of the time of a batch. `rdc fsck` proves that nothing refers to what is not there.
create function noun_kept() returns trigger language plpgsql as
$$
begin
    raise exception using errcode = 'restrict_violation',
        message = format('rows of %I are not deleted', tg_table_name), hint = tg_argv[0];
end $$;
create trigger organisation_kept before delete or update of id on organisation
    execute function noun_kept('set disabled_at');
create trigger line_kept before delete or update of id on line execute function noun_kept('set disabled_at');
create trigger device_kept before delete or update of id on device execute function noun_kept('set disabled_at');
create trigger contract_kept before delete or update of id on contract
    execute function noun_kept('set disabled_at');

create table destination (
    id bigint generated always as identity primary key,
    org_id bigint not null references organisation,
    name text not null,
    kind text not null default 'dicom',
    aet text not null,
    host text not null,
    port int not null,
    tls boolean not null default false,
    created_at timestamptz not null default now(),
    disabled_at timestamptz,
    constraint destination_name_unique unique (name),
    constraint destination_kind_known check (kind in ('dicom')),
    constraint destination_aet_form check (aet ~ '^[\u0020-\u005b\u005d-\u007e]{1,16}$'),
    constraint destination_port_range check (port between 1 and 65535)
);

-- ---------------------------------------------------------------- what was sent

-- Whoever gives a value of another form is told this: constraint_text().
comment on constraint device_aet_form on device is 'an AE title has up to 16 ASCII characters, no \ or control characters, and no blanks around it';
comment on constraint device_called_form on device is 'a called AE title has up to 16 ASCII characters, no \ or control characters, and no blanks around it';
comment on constraint device_charset_known on device is 'known character sets are UTF-8, GB18030, GBK, ISO 2022 IR 58 and ASCII';
comment on constraint device_certificate_form on device is 'a certificate is named by its SHA-256: 64 hexadecimal digits';
comment on constraint device_callback_port_range on device is 'a port is a number from 1 to 65535';
comment on constraint device_quiet_range on device is 'seconds go from 0 to 86400';
comment on constraint device_limit_range on device is 'seconds go from 0 to 86400';
comment on constraint device_max_associations_range on device is 'associations go from 1 to 100000';
comment on constraint device_max_rate_range on device is 'requests in a second go from 1 to 1000000';
comment on constraint device_max_bytes_range on device is 'the limit on bytes is 1 or more';
comment on constraint organisation_code_form on organisation is 'a code has up to 32 of A-Z, a-z, 0-9, - and _';
comment on constraint organisation_name_form on organisation is 'a name has 1 to 200 characters';
comment on constraint organisation_kind_known on organisation is 'kinds are centre and hospital';
comment on constraint person_login_form on person is 'a login has up to 64 of a-z, 0-9, . _ @ and -';
comment on constraint person_role_known on person is 'roles are technician, doctor, reader and admin';
comment on constraint destination_aet_form on destination is 'an AE title has up to 16 ASCII characters, no \ or control characters';
comment on constraint destination_port_range on destination is 'a port is a number from 1 to 65535';
comment on constraint contract_within_range on contract is 'minutes go from 1 to 100000';

-- A Patient ID means something only within the centre that issued it. Without
-- an ID each study has a patient row of its own.
create table patient (
    id bigint generated always as identity primary key,
    issuer_id bigint not null,
    patient_id text,
    name text,
    name_raw bytea,
    charset text,
    charset_guessed boolean not null default false,
    birth_date date,
    sex text,
    created_at timestamptz not null default now(),
    constraint patient_id_given check (patient_id <> ''),
    constraint patient_sex_known check (sex in ('M', 'F', 'O'))
);
create unique index patient_id_unique on patient (patient_id, issuer_id)
    where patient_id is not null;

-- Its UIDs are checked without a counted repetition: {1,64} is a machine of 64 states, which costs 20 us for
-- each of three rows of an object, ten times as much.
create table study (
    id bigint generated always as identity primary key,
    centre_id bigint not null,
    study_uid text not null,
    patient_id bigint not null references patient,
    accession text,
    study_date date,
    study_time time,
    study_id text,
    description text,
    created_at timestamptz not null default now(),
    constraint study_uid_unique unique (study_uid, centre_id),
    constraint study_uid_form check (study_uid ~ '^[0-9.]+$' and length(study_uid) <= 64)
);
create index study_patient on study (patient_id);
create trigger study_kept before delete or update of id on study execute function noun_kept('withdraw its exam');

create table series (
    id bigint generated always as identity primary key,
    study_id bigint not null,
    series_uid text not null,
    modality text,
    number int,
    description text,
    body_part text,
    laterality text,
    constraint series_uid_unique unique (study_id, series_uid),
    constraint series_uid_form check (series_uid ~ '^[0-9.]+$' and length(series_uid) <= 64)
);

-- An immutable file of the store. For DICOM the digest covers the data set as
-- received, not the file meta group.
create table object (
    id bigint generated always as identity primary key,
    location text not null,
    sha256 bytea not null,
    size bigint not null,
    media text not null,
    created_at timestamptz not null default now(),
    damaged_at timestamptz, -- its file was found missing or changed: whoever sends it again replaces it
    constraint object_location_unique unique (location),
    constraint object_sha256_length check (length(sha256) = 32)
);

-- variant 0 is what is shown, measured, counted and referred to; the other objects that came under the
-- same UID are kept beside it. Which one that is changes in instance_show() and nowhere else.
create table instance (
    id bigint generated always as identity primary key,
    centre_id bigint not null,
    study_id bigint not null,
    series_id bigint not null references series,
    sop_uid text not null,
    variant int not null default 0,
    sop_class text not null,
    transfer_syntax text not null,
    number int,
    rows int,
    columns int,
    frames int,
    object_id bigint not null,
    original_id bigint,
    own boolean not null default false,
    device_id bigint,
    received_at timestamptz not null default now(),
    metadata json,
    constraint instance_uid_unique unique (sop_uid, centre_id, variant),
    constraint instance_uid_form check (sop_uid ~ '^[0-9.]+$' and length(sop_uid) <= 64)
);
create index instance_study on instance (study_id);
create index instance_object on instance (object_id);
create index instance_original on instance (original_id) where original_id is not null;
alter table instance alter column metadata set compression lz4;

-- ---------------------------------------------------------------- the work on it

-- One exam per study: the unit that is claimed, read and reported.
-- The states and their transitions stand in 002.
create table exam (
    id bigint generated always as identity primary key,
    centre_id bigint not null,
    study_id bigint not null,
    line_id bigint,
    hospital_id bigint,
    contract_id bigint,
    device_id bigint,
    state text not null default 'arriving',
    state_at timestamptz not null default now(),
    priority text not null default 'routine',
    -- the fenced lease: the number rises with every claim
    lease_no bigint not null default 0,
    lease_holder bigint references person,
    lease_expires timestamptz,
    shown_digest bytea,
    author_id bigint references person,
    reason text,
    -- completeness and the evidence for it
    last_object_at timestamptz not null default now(),
    quiet_seconds int not null default 15,
    grade text,
    expected int,
    objects int not null default 0, -- as exam_objects() counts them; for lists, which show many exams
    conflicts jsonb not null default '[]',
    -- the order it answers; and since when its patient contradicts that: then it
    -- is nobody's to read until a person has decided
    order_id bigint,
    quarantined_at timestamptz,
    due_at timestamptz,
    created_at timestamptz not null default now(),
    constraint exam_study_unique unique (study_id),
    constraint exam_state_known check (state in ('arriving', 'unrouted', 'waiting', 'writing',
        'written', 'reviewing', 'returned', 'final', 'withdrawn', 'retracted')),
    constraint exam_priority_known check (priority in ('stat', 'urgent', 'routine')),
    constraint exam_lease_tied check ((state in ('writing', 'reviewing')) = (lease_holder is not null)
        and (lease_holder is null) = (lease_expires is null)),
    constraint exam_routed_tied check (state in ('arriving', 'unrouted', 'withdrawn')
        or hospital_id is not null),
    constraint exam_grade_known check (grade in ('single', 'quiet', 'mpps', 'commitment',
        'manifest', 'given_up')),
    constraint exam_complete_tied check (state = 'arriving' or grade is not null
        or state in ('withdrawn', 'writing', 'waiting'))
);
create index exam_open on exam (hospital_id, state) where state not in ('final', 'retracted', 'withdrawn');
-- Not by last_object_at, which each batch of objects changes: those updates touch no index.
create index exam_arriving on exam (id) where state = 'arriving';
create index exam_leased on exam (lease_expires) where lease_holder is not null;
create index exam_centre on exam (centre_id, state_at);
create trigger exam_kept before delete or update of id on exam execute function noun_kept('withdraw it');

create table exam_event (
    id bigint generated always as identity primary key,
    exam_id bigint not null,
    at timestamptz not null default now(),
    person_id bigint references person,
    event text not null,
    from_state text,
    to_state text not null,
    lease_no bigint,
    detail jsonb
);
create index exam_event_exam on exam_event (exam_id);

create table draft (
    exam_id bigint primary key references exam,
    author_id bigint not null references person,
    lease_no bigint not null,
    content jsonb not null,
    updated_at timestamptz not null default now()
);

-- A signed version. It never changes but for the rendering of its files and
-- its retraction.
create table report (
    id bigint generated always as identity primary key,
    exam_id bigint not null references exam,
    version int not null,
    state text not null,
    content jsonb not null,
    canonical text not null,
    content_sha256 bytea not null,
    objects_digest bytea not null,
    damaged boolean not null, -- something of these objects, as the report's files say
    author_id bigint not null references person,
    signer_id bigint not null references person,
    signed_at timestamptz not null default now(),
    sr_uid text not null,
    sr_series_uid text not null,
    pdf_uid text not null,
    pdf_series_uid text not null,
    sr_object_id bigint references object,
    pdf_object_id bigint references object,
    pdf_file_id bigint references object,
    rendered_at timestamptz,
    constraint report_version_unique unique (exam_id, version),
    constraint report_state_known check (state in ('final', 'amended', 'retracted')),
    constraint report_rendered_tied check ((rendered_at is null) = (sr_object_id is null)
        and (rendered_at is null) = (pdf_object_id is null)
        and (rendered_at is null) = (pdf_file_id is null))
);
create unique index report_sr on report (sr_uid);
create unique index report_pdf on report (pdf_uid);
create index report_pdf_file on report (pdf_file_id);
create index report_unrendered on report (id) where rendered_at is null;

create table delivery (
    id bigint generated always as identity primary key,
    report_id bigint not null references report,
    destination_id bigint not null references destination,
    state text not null default 'due',
    attempts int not null default 0,
    next_at timestamptz not null default now(),
    lease_no bigint not null default 0,
    lease_until timestamptz,
    last_error text,
    acknowledged_at timestamptz,
    warning text, -- with which it was acknowledged
    created_at timestamptz not null default now(),
    constraint delivery_once unique (report_id, destination_id),
    constraint delivery_state_known check (state in ('due', 'sending', 'acknowledged', 'dead',
        'superseded')),
    constraint delivery_lease_tied check ((state = 'sending') = (lease_until is not null)),
    constraint delivery_acknowledged_tied check ((state = 'acknowledged') = (acknowledged_at is not null)),
    constraint delivery_warning_tied check (warning is null or state = 'acknowledged')
);
create index delivery_due on delivery (next_at) where state in ('due', 'sending');

-- Work that follows an acknowledgement. How its attempts ended is counted, each way for itself.
create table job (
    id bigint generated always as identity primary key,
    kind text not null,
    subject_id bigint not null,
    state text not null default 'queued',
    priority text not null default 'routine',
    -- How often it failed by itself: three times set it aside.
    attempts int not null default 0,
    run_at timestamptz not null default now(),
    lease_until timestamptz,
    last_error text,
    created_at timestamptz not null default now(),
    -- Who has it, or had it last: the supervisor's run, the worker's slot there and its number.
    owner text,
    -- How often it was under way when its worker ended, for whatever reason: five times set it aside.
    broken_off int not null default 0,
    -- How often the database could not note it: each time it waits longer.
    put_back int not null default 0,
    constraint job_once unique (kind, subject_id),
    constraint job_kind_known check (kind in ('metadata', 'check', 'measure', 'pixels', 'render', 'commitment')),
    constraint job_state_known check (state in ('queued', 'running', 'quarantined')),
    constraint job_lease_tied check ((state = 'running') = (lease_until is not null))
);
-- The order in which job_claim takes them.
create index job_due on job (kind, array_position(array['stat', 'urgent', 'routine'], priority), run_at, id)
    where state in ('queued', 'running');
create index job_broken_off on job (kind) where broken_off > 0;

create table audit (
    id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    person_id bigint references person,
    org_id bigint references organisation,
    action text not null,
    noun text not null,
    noun_id bigint,
    detail jsonb
);
create index audit_noun on audit (noun, noun_id, at);

-- ---------------------------------------------------------------- who sees what

-- May the person see it? For functions that work on rows already found, as the
-- policies below say it for reads.
create function sees_exam(p_centre bigint, p_line bigint) returns boolean
language sql stable security definer set search_path = public as
$$
    select p_centre = rdc_org() or exists (
        select from contract c
        where c.centre_id = p_centre and c.line_id = p_line and c.hospital_id = rdc_org()
          and c.disabled_at is null)
$$;

do $$
declare
    t text;
begin
    foreach t in array array['organisation', 'line', 'device', 'person', 'session', 'contract',
        'destination', 'patient', 'study', 'series', 'object', 'instance', 'exam', 'exam_event',
        'draft', 'report', 'delivery', 'job', 'audit'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy owner_all on %I to %I using (true) with check (true)',
                       t, current_user);
        execute format('create policy ingest_all on %I for select to rdc_ingest using (true)', t);
    end loop;
    foreach t in array array['organisation', 'line', 'device', 'contract', 'destination',
        'patient', 'study', 'series', 'object', 'instance', 'exam', 'exam_event', 'draft',
        'report', 'delivery'] loop
        execute format('grant select on %I to rdc_api, rdc_ingest', t);
    end loop;
    grant select on job to rdc_ingest;
end $$;

-- A function would be called for each row, and its query started each time. Here the
-- organisation is asked for once in a statement, and its contracts are hashed once; a
-- row that belongs to an exam is looked up there, under the policy of exams.
create policy api_read on organisation for select to rdc_api using (
    id = (select rdc_org())
    or id in (select c.centre_id from contract c where c.hospital_id = rdc_org())
    or id in (select c.hospital_id from contract c where c.centre_id = rdc_org()));
create policy api_read on line for select to rdc_api using ((select rdc_org()) is not null);
create policy api_read on device for select to rdc_api using (org_id = (select rdc_org()));
create policy api_read on contract for select to rdc_api using ((select rdc_org()) in (centre_id, hospital_id));
create policy api_read on destination for select to rdc_api using (
    org_id = (select rdc_org())
    or exists (select from delivery d where d.destination_id = destination.id));
create policy api_read on exam for select to rdc_api using (
    centre_id = (select rdc_org())
    or (centre_id, line_id) in (select c.centre_id, c.line_id from contract c
        where c.hospital_id = rdc_org() and c.disabled_at is null));
create policy api_read on study for select to rdc_api using (
    centre_id = (select rdc_org()) or exists (select from exam e where e.study_id = study.id));
create policy api_read on patient for select to rdc_api using (
    issuer_id = (select rdc_org()) or exists (select from study s where s.patient_id = patient.id));
create policy api_read on series for select to rdc_api using (
    exists (select from exam e where e.study_id = series.study_id));
create policy api_read on instance for select to rdc_api using (
    centre_id = (select rdc_org()) or exists (select from exam e where e.study_id = instance.study_id));
create policy api_read on object for select to rdc_api using (
    exists (select from instance i where i.object_id = object.id)
    or exists (select from instance i where i.original_id = object.id)
    or exists (select from report r where r.pdf_file_id = object.id));
create policy api_read on exam_event for select to rdc_api using (
    exists (select from exam e where e.id = exam_event.exam_id));
-- A draft is the reading hospital's own until it is signed.
create policy api_read on draft for select to rdc_api using (
    exists (select from exam e where e.id = draft.exam_id and e.hospital_id = rdc_org()));
create policy api_read on report for select to rdc_api using (
    exists (select from exam e where e.id = report.exam_id));
create policy api_read on delivery for select to rdc_api using (
    exists (select from report r where r.id = delivery.report_id));

-- Functions are for whom they are granted to, not for everybody.
alter default privileges revoke execute on functions from public;
revoke execute on all functions in schema public from public;
grant execute on function rdc_person(), rdc_org(), rdc_person_role(), sees_exam(bigint, bigint)
    to rdc_api, rdc_ingest;
