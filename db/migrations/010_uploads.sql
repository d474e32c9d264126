-- Uploads that come in pieces. The bytes lie in a file of the worker's machine,
-- <data>/uploads/<id>, whose size is the offset; the row says whose it is.

create table upload (
    id text primary key,
    centre_id bigint not null references organisation,
    person_id bigint not null references person,
    length bigint not null,
    -- patient_id, patient_name, accession, priority, sha256, type: as the request had them
    params jsonb not null,
    created_at timestamptz not null default now(),
    touched_at timestamptz not null default now(),
    done_at timestamptz,
    answer jsonb,
    constraint upload_id_form check (id ~ '^[0-9a-f]{32}$'),
    constraint upload_length_positive check (length > 0),
    constraint upload_done_whole check ((done_at is null) = (answer is null))
);
create index upload_person on upload (person_id) where done_at is null;

alter table upload enable row level security;
alter table upload force row level security;
do $$
begin
    execute format('create policy owner_all on upload to %I using (true) with check (true)', current_user);
end $$;
create policy api_read on upload for select to rdc_api using (centre_id = (select rdc_org()));
grant select on upload to rdc_api;

-- A new one, of the person who asks. A person may have p_most open at a time,
-- of p_bytes together.
create function upload_begin(p_id text, p_length bigint, p_params jsonb, p_most int, p_bytes bigint)
returns jsonb language plpgsql security definer set search_path = public as
$$
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

create function upload_find(p_id text) returns jsonb
language plpgsql security definer set search_path = public as
$$
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

create function upload_done(p_id text, p_answer jsonb) returns void
language sql security definer set search_path = public as
$$ update upload set done_at = now(), touched_at = now(), answer = p_answer where id = p_id and done_at is null $$;

create function upload_drop(p_id text) returns void
language sql security definer set search_path = public as
$$ delete from upload where id = p_id $$;

-- Those that nobody has touched for so long; their files can go.
create function upload_expire(p_seconds int) returns jsonb
language sql security definer set search_path = public as
$$
    with gone as (
        delete from upload where touched_at < now() - make_interval(secs => p_seconds) returning id
    )
    select coalesce(jsonb_agg(id), '[]') from gone
$$;

grant execute on function upload_begin(text, bigint, jsonb, int, bigint), upload_find(text) to rdc_api;
grant execute on function upload_done(text, jsonb), upload_drop(text), upload_expire(int) to rdc_ingest;
