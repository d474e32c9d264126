-- The life of an exam, its report and its deliveries.
--
-- Errors a person can cause are raised with SQLSTATE RDnnn, nnn being the HTTP
-- status; the message says what was wrong, the hint what to do.

-- What this constraint demands of a value, for the person whose value it refused; null: no text.
create function constraint_text(p_constraint text) returns text language sql stable as
$$
    select obj_description(oid, 'pg_constraint') from pg_constraint
    where conname = p_constraint and connamespace = 'public'::regnamespace
$$;

create function fail(p_status int, p_message text, p_hint text default null) returns void
language plpgsql as
$$
begin
    raise exception using errcode = 'RD' || p_status, message = p_message, hint = coalesce(p_hint, '');
end $$;

-- PS3.5 B.2: 2.25. and a random UUID as a decimal number.
create function uid_new() returns text language plpgsql volatile as
$$
declare
    hex text := replace(gen_random_uuid()::text, '-', '');
    n numeric := 0;
begin
    for i in 0..3 loop
        n := n * 4294967296 + ('x' || lpad(substr(hex, 1 + 8 * i, 8), 16, '0'))::bit(64)::bigint;
    end loop;
    return '2.25.' || n::text;
end $$;

create function audit_write(p_action text, p_noun text, p_id bigint, p_detail jsonb default null)
returns void language sql security definer set search_path = public as
$$
    insert into audit (person_id, org_id, action, noun, noun_id, detail)
    values (rdc_person(), rdc_org(), p_action, p_noun, p_id, p_detail)
$$;

-- A read is noted once per person, exam and kind of access in five minutes.
create function audit_read(p_kind text, p_exam bigint) returns void
language sql security definer set search_path = public as
$$
    insert into audit (person_id, org_id, action, noun, noun_id)
    select rdc_person(), rdc_org(), p_kind, 'exam', p_exam
    where rdc_person() is not null and not exists (
        select from audit where noun = 'exam' and noun_id = p_exam and action = p_kind
            and person_id = rdc_person() and at > now() - interval '5 minutes')
$$;

-- ---------------------------------------------------------------- sessions

-- closed: seconds until the account is open again, null when it is.
create function session_login(p_login text, out person bigint, out hash text, out closed int)
returns record language plpgsql security definer set search_path = public as
$$
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

-- Ten failures in a row close the account for five minutes.
create function session_failed(p_person bigint) returns void
language sql security definer set search_path = public as
$$
    update person set
        failures = case when failures >= 9 then 0 else failures + 1 end,
        locked_until = case when failures >= 9 then now() + interval '5 minutes' end
    where id = p_person;
    select audit_write('login_failed', 'person', p_person)
$$;

create function session_open(p_person bigint, p_token_hash bytea, p_minutes int) returns json
language plpgsql security definer set search_path = public as
$$
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

-- Every request begins with this: it names the person and the organisation for
-- row-level security until the transaction ends. Returns the organisation.
create function session_enter(p_token_hash bytea) returns bigint
language plpgsql security definer set search_path = public as
$$
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

create function session_close(p_token_hash bytea) returns void
language sql security definer set search_path = public as
$$ delete from session where token_hash = p_token_hash $$;

-- ---------------------------------------------------------------- exam: states

--   arriving ─complete─► waiting | unrouted ─contract─► waiting
--   waiting ─claim─► writing ─release│expire─► waiting
--   writing ─sign─► final                writing ─submit─► written ─recall─► writing
--   written ─review─► reviewing ─release│expire─► written    reviewing ─sign─► final
--   reviewing ─reject─► waiting
--   waiting│writing│written│reviewing ─return─► returned ─resent│cannot─► waiting
--   waiting│writing ─forward─► waiting
--   any before final ─withdraw─► withdrawn ─restore─► waiting
--   final ─amend│late─► waiting (version n stays shown)     final ─retract─► retracted
--
-- Invariants: lease_holder is set in writing and reviewing and nowhere else;
-- lease_no only rises; every transition is an exam_event of the same
-- transaction; a state changes in exam_move() and nowhere else.
create table exam_transition (
    state text not null,
    event text not null,
    next_state text not null,
    primary key (state, event)
);
insert into exam_transition (state, event, next_state) values
    ('arriving', 'complete', 'waiting'),
    ('arriving', 'unrouted', 'unrouted'),
    ('arriving', 'claim', 'writing'),           -- a STAT exam is read while it arrives
    ('arriving', 'withdraw', 'withdrawn'),
    ('unrouted', 'contract', 'waiting'),
    ('unrouted', 'withdraw', 'withdrawn'),
    ('waiting', 'claim', 'writing'),
    ('waiting', 'return', 'returned'),
    ('waiting', 'forward', 'waiting'),
    ('waiting', 'withdraw', 'withdrawn'),
    ('writing', 'release', 'waiting'),
    ('writing', 'expire', 'waiting'),
    ('writing', 'sign', 'final'),
    ('writing', 'submit', 'written'),
    ('writing', 'return', 'returned'),
    ('writing', 'forward', 'waiting'),
    ('writing', 'withdraw', 'withdrawn'),
    ('written', 'recall', 'writing'),
    ('written', 'claim', 'reviewing'),
    ('written', 'return', 'returned'),
    ('written', 'withdraw', 'withdrawn'),
    ('reviewing', 'release', 'written'),
    ('reviewing', 'expire', 'written'),
    ('reviewing', 'sign', 'final'),
    ('reviewing', 'reject', 'waiting'),
    ('reviewing', 'return', 'returned'),
    ('reviewing', 'withdraw', 'withdrawn'),
    ('returned', 'resent', 'waiting'),
    ('returned', 'cannot', 'waiting'),
    ('returned', 'withdraw', 'withdrawn'),
    ('withdrawn', 'restore', 'waiting'),
    ('final', 'amend', 'waiting'),
    ('final', 'late', 'waiting'),
    ('final', 'retract', 'retracted');
alter table exam_transition enable row level security;
alter table exam_transition force row level security;
create policy all_read on exam_transition using (true);
grant select on exam_transition to rdc_api, rdc_ingest;

-- The one setter of exam.state. A transition into writing or reviewing takes
-- the lease for p_holder, any other ends it.
create function exam_move(p_exam exam, p_event text, p_detail jsonb default null,
    p_holder bigint default null, p_lease_seconds int default null) returns exam
language plpgsql as
$$
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

-- Locks the exam if the person may see it and has one of the roles.
create function exam_take(p_exam bigint, variadic p_roles text[]) returns exam
language plpgsql as
$$
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

-- The contract under which a centre's exams of a line are read, if there is one. A query in
-- whose FROM it stands takes it in as a part of its own plan.
create function exam_contract(p_centre bigint, p_line bigint) returns setof contract
language sql stable as
$$
    select k.* from contract k join organisation o on o.id = k.hospital_id and o.disabled_at is null
    where k.centre_id = p_centre and k.line_id = p_line and k.disabled_at is null
    order by k.id limit 1
$$;

-- The hospital that reads an exam, or will when it is complete.
create function exam_reader(e exam) returns bigint
language sql stable security definer set search_path = public as
$$
    select coalesce(e.hospital_id,
        case when e.state = 'arriving' then
            (select hospital_id from exam_contract(e.centre_id, e.line_id)) end)
$$;

-- The reader's form of it: who reads is who the contract names.
create function exam_take_for_reading(p_exam bigint) returns exam
language plpgsql as
$$
declare
    e exam := exam_take(p_exam, 'reader');
begin
    if exam_reader(e) is distinct from rdc_org() then
        perform fail(403, 'this exam is read by another hospital', '');
    end if;
    return e;
end $$;

create function exam_require_lease(e exam, p_lease bigint) returns void
language plpgsql as
$$
begin
    if e.lease_holder is distinct from rdc_person() or e.lease_no is distinct from p_lease then
        perform fail(409, format('the lease %s on exam %s is not the newest', p_lease, e.id),
            'claim the exam again; your draft is kept');
    end if;
end $$;

-- What a reader is shown: every object but those that rdc made itself.
create function exam_objects_digest(p_study bigint) returns bytea
language sql stable as
$$
    select sha256(convert_to(coalesce(string_agg(
        i.sop_uid || ' ' || i.variant || ' ' || encode(o.sha256, 'hex'), E'\n'
        order by i.sop_uid collate "C", i.variant), ''), 'UTF8'))
    from instance i join object o on o.id = i.object_id
    where i.study_id = p_study and not i.own
$$;

create function exam_objects(p_study bigint) returns int
language sql stable as
$$ select count(*)::int from instance where study_id = p_study and not own and variant = 0 $$;

create function exam_two_step(e exam) returns boolean
language sql stable as
$$
    select coalesce((select two_step from contract where id = e.contract_id),
        (select two_step from line where id = e.line_id), false)
$$;

-- An exam whose line has a contract waits there; without one it is unrouted.
create function exam_route(e exam, p_event text) returns exam
language plpgsql as
$$
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

create function exam_complete(e exam, p_grade text, p_expected int default null) returns exam
language plpgsql as
$$
begin
    update exam set grade = p_grade, expected = p_expected where id = e.id returning * into e;
    return exam_route(e, 'complete');
end $$;

-- The same for many exams that are arriving.
create function exam_complete_all(p_exams bigint[], p_grade text, p_expected int default null)
returns void language plpgsql as
$$
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

-- Leases that ran out, and unrouted exams that a new contract covers.
create function exam_expire_due() returns int
language plpgsql security definer set search_path = public as
$$
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

-- ---------------------------------------------------------------- exam: reading

create function exam_claim(p_exam bigint, p_lease_seconds int) returns json
language plpgsql security definer set search_path = public as
$$
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

create function exam_extend(p_exam bigint, p_lease bigint, p_lease_seconds int) returns timestamptz
language plpgsql as
$$
declare
    v timestamptz := now() + make_interval(secs => p_lease_seconds);
begin
    update exam set lease_expires = v where id = p_exam and lease_no = p_lease;
    return v;
end $$;

create function exam_heartbeat(p_exam bigint, p_lease bigint, p_lease_seconds int) returns json
language plpgsql security definer set search_path = public as
$$
declare
    e exam := exam_take_for_reading(p_exam);
begin
    perform exam_require_lease(e, p_lease);
    return json_build_object('lease', p_lease,
        'expires', exam_extend(p_exam, p_lease, p_lease_seconds),
        'objects_digest', encode(exam_objects_digest(e.study_id), 'hex'));
end $$;

create function report_content_check(p_content jsonb) returns void
language plpgsql as
$$
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

create function exam_draft(p_exam bigint, p_lease bigint, p_content jsonb, p_lease_seconds int)
returns json language plpgsql security definer set search_path = public as
$$
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

create function exam_require_free(e exam) returns void language plpgsql as
$$
begin
    if e.quarantined_at is not null then
        perform fail(409, format('exam %s is quarantined: its patient contradicts its order', e.id),
            'its centre decides with POST …/resolve');
    end if;
end $$;

-- What is signed must be what was shown.
create function exam_require_shown(e exam, p_objects_digest text) returns bytea
language plpgsql as
$$
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

create function exam_written_content(e exam) returns jsonb
language plpgsql as
$$
declare
    v jsonb := (select content from draft where exam_id = e.id);
begin
    if coalesce(btrim(v ->> 'impression'), '') = '' or coalesce(btrim(v ->> 'findings'), '') = '' then
        perform fail(422, 'a report needs findings and an impression', 'save them with PUT …/draft first');
    end if;
    return v;
end $$;

create function exam_submit(p_exam bigint, p_lease bigint, p_objects_digest text) returns json
language plpgsql security definer set search_path = public as
$$
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

create function exam_recall(p_exam bigint, p_lease_seconds int) returns json
language plpgsql security definer set search_path = public as
$$
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

-- Signing: the version, its files' UIDs, the exam's state, the rendering job
-- and the outbox stand or fall together.
create function exam_sign(p_exam bigint, p_lease bigint, p_objects_digest text) returns json
language plpgsql security definer set search_path = public as
$$
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

-- The other verbs of a reader, with a lease where one is held.
create function exam_reader_act(p_exam bigint, p_event text, p_lease bigint, p_reason text,
    p_hospital text) returns json
language plpgsql security definer set search_path = public as
$$
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

-- Did an alarm raise it, and no person say otherwise since? Then no order lowers it.
create function exam_alarmed(p_exam bigint) returns boolean language sql stable as
$$
    select coalesce((select event = 'ecg_alarm' from exam_event
        where exam_id = p_exam and event in ('ecg_alarm', 'priority') order by id desc limit 1), false)
$$;

-- Whether an object or order that asks for this priority raises the exam. What a person said
-- stands: each object that follows would say otherwise again.
create function exam_raised(p_exam bigint, p_old text, p_new text) returns boolean language sql stable as
$$
    select coalesce(array_position(array['stat', 'urgent', 'routine'], p_new)
            < array_position(array['stat', 'urgent', 'routine'], p_old), false)
        and not exists (select from exam_event where exam_id = p_exam and event = 'priority')
$$;

-- A person's word on how urgent it is: the reading hospital's, or the centre's.
create function exam_set_priority(p_exam bigint, p_priority text, p_reason text) returns json
language plpgsql security definer set search_path = public as
$$
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

-- The verbs of the originating centre.
create function exam_centre_act(p_exam bigint, p_event text, p_reason text) returns json
language plpgsql security definer set search_path = public as
$$
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

-- ---------------------------------------------------------------- what is shown

-- A doctor at the centre sees who signed, though not that hospital's staff list.
create function person_name(p_person bigint) returns text
language sql stable security definer set search_path = public as
$$ select name from person where id = p_person $$;

-- These exams as lists show them, in their order. One statement, which is inlined into the
-- caller's if that passes the array as a variable: what a row needs is then joined under
-- row-level security, not looked up by a function per row. Callers are in PL/pgSQL, which
-- keeps its plans: with the policies in them, planning takes longer than running. json and
-- not jsonb, since it is sent as text anyway.
create function exam_rows(p_exams bigint[]) returns table (place bigint, shown json) language sql stable as
$$
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

-- Where several objects have come under one UID, shown is the sha256 of the one that is shown.
create function exam_conflicts(e exam) returns jsonb language sql stable as
$$
    select coalesce(jsonb_agg(case when c ->> 'cause' <> 'content' then c else c || jsonb_build_object('shown', (
            select encode(o.sha256, 'hex') from instance i join object o on o.id = i.object_id
            where i.study_id = e.study_id and i.sop_uid = c ->> 'sop_uid' and i.variant = 0)) end order by n), '[]')
    from jsonb_array_elements(e.conflicts) with ordinality x(c, n)
$$;

create function exam_detail(e exam) returns jsonb language plpgsql stable as
$$
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

-- One exam for a person who may see it; noted in the audit.
create function exam_get(p_exam bigint) returns jsonb language plpgsql as
$$
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

-- Whose exams and orders the person may see, as sees_exam() says it, in a form
-- that an index serves: its own centre, all lines (null), and the lines that its
-- hospital reads.
create function exam_scope() returns table (centre_id bigint, line_id bigint) language sql stable as
$$
    select rdc_org(), null
    union select c.centre_id, c.line_id from contract c
    where c.hospital_id = rdc_org() and c.disabled_at is null and c.centre_id <> rdc_org()
$$;

-- The newest exams of the scope: each part of it is walked from its newest row, so
-- that the time does not grow with old exams or those of others. One plan for each index.
-- Row-level security is applied where the rows are read; applying it to each candidate
-- would take most of the time. "between" itself and itself, and the order that this seems to need,
-- keep it to the index of each part: the planner would take the rows of a centre for spread
-- evenly, and walk the primary key over everybody's.
create function exam_newest(p_state text, p_since timestamptz, p_limit int) returns bigint[]
language plpgsql stable security definer set search_path = public
-- A plan that does not know the limit sorts a whole centre.
set plan_cache_mode = force_custom_plan as
$$
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

create function exam_list(p_state text, p_since timestamptz, p_limit int) returns json
language plpgsql stable set plan_cache_mode = force_generic_plan set enable_seqscan = off as
$$
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
create index exam_newest on exam (centre_id, id);
create index exam_state_newest on exam (centre_id, state, id);

-- What can be picked or is in work, most urgent first.
create function exam_worklist(p_limit int) returns json
language plpgsql stable set plan_cache_mode = force_generic_plan set enable_seqscan = off as
$$
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
