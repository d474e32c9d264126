-- HL7 v2 over MLLP: who may send, what their codes mean, and what came.

-- A sender is MSH-3 (application) and MSH-4 (facility), at an address if given.
create table hl7_sender (
    id bigint generated always as identity primary key,
    org_id bigint not null references organisation,
    app text not null,
    facility text not null,
    address cidr,
    charset text,
    certificate text, -- SHA-256, in hex: then it must be shown, over TLS
    created_at timestamptz not null default now(),
    disabled_at timestamptz,
    constraint hl7_sender_key_unique unique nulls not distinct (app, facility, address),
    constraint hl7_sender_charset_known check (upper(charset) in ('UTF-8', 'UNICODE UTF-8', 'UNICODE', 'GB18030',
        'GB 18030-2000', 'GBK', 'GB2312', 'GB 2312', 'CP936', '8859/1')),
    constraint hl7_sender_certificate_form check (certificate ~ '^[0-9a-f]{64}$')
);
comment on constraint hl7_sender_charset_known on hl7_sender is 'known character sets are UTF-8, GB18030, GBK and 8859/1, also by the names UNICODE UTF-8, UNICODE, GB 18030-2000, GB2312 and CP936';

-- The site's procedure codes in our words; a null column leaves what the
-- message said.
create table hl7_code (
    sender_id bigint not null references hl7_sender,
    code text not null,
    modality text,
    description text,
    constraint hl7_code_key primary key (sender_id, code)
);

-- Messages by their control ID, so that one that is sent again is answered
-- again and does nothing twice.
create table hl7_message (
    sender_id bigint not null references hl7_sender,
    control_id text not null,
    digest bytea not null,
    received_at timestamptz not null default now(),
    answer jsonb not null,
    constraint hl7_message_key primary key (sender_id, control_id)
);
create index hl7_message_age on hl7_message (received_at);

do $$
declare
    t text;
begin
    foreach t in array array['hl7_sender', 'hl7_code', 'hl7_message'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy owner_all on %I to %I using (true) with check (true)', t, current_user);
    end loop;
end $$;

-- {"id", "charset"} or {"cause": unknown | wrong_address | disabled | certificate_missing |
-- certificate_unknown}
create function hl7_sender_find(p_app text, p_facility text, p_address inet, p_certificate text default null)
    returns jsonb
language plpgsql stable security definer set search_path = public as
$$
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

-- One order of a message, with the site's codes put in ours. A code that is longer than
-- DICOM allows (PS3.5 6.2: SH) is known by its map and its text alone.
create function hl7_order(s hl7_sender, p jsonb) returns jsonb language sql stable as
$$
    select p - case when length(p ->> 'procedure_code') > 16 or length(p ->> 'procedure_scheme') > 16
            then array['procedure_code', 'procedure_scheme'] else '{}' end
        || jsonb_strip_nulls(jsonb_build_object('centre_id', s.org_id,
            'placer_issuer', coalesce(nullif(p ->> 'placer_issuer', ''), s.app),
            'modality', coalesce(c.modality, nullif(p ->> 'modality', '')),
            'description', coalesce(c.description, nullif(p ->> 'description', ''),
                case when length(p ->> 'procedure_code') > 16 then left(p ->> 'procedure_code', 64) end)))
    from (select 1) x left join hl7_code c on c.sender_id = s.id and c.code = p ->> 'procedure_code'
$$;

-- Where the value stands that a constraint of exam_order refused, as in ERR-2.
create function hl7_location(p_constraint text) returns text language sql immutable as
$$
    select location from (values ('exam_order_accession', 'OBR^1^18'), ('exam_order_placer', 'ORC^1^2'),
        ('exam_order_filler', 'ORC^1^3'), ('exam_order_study', 'ZDS^1^1'), ('exam_order_procedure', 'OBR^1^4'),
        ('exam_order_description', 'OBR^1^4'), ('exam_order_modality', 'IPC^1^5'),
        ('exam_order_station', 'IPC^1^9'), ('exam_order_location', 'IPC^1^8'),
        ('exam_order_requester', 'ORC^1^12'), ('exam_order_referrer', 'PV1^1^8'),
        ('exam_order_admission', 'PV1^1^19'), ('patient_', 'PID^1^3')) x(prefix, location)
    where p_constraint like prefix || '%' limit 1
$$;

-- What a site does about a code without a modality.
create function hl7_unmapped(s hl7_sender, p_code text) returns text language sql immutable as
$$
    select 'OBR-24 and IPC-5 name no modality, and ' || case when coalesce(p_code, '') = '' then 'OBR-4 has no code'
        else format('no map names one for the code of OBR-4: rdc hl7 map "%s^%s" --code "%s" --modality M',
            s.app, s.facility, p_code) end
$$;

-- All orders of a message, or none; or what it says of a patient. The answer is what MSA and ERR say.
create function hl7_receive(p_sender bigint, p_control text, p_digest bytea, p_orders jsonb) returns jsonb
language plpgsql security definer set search_path = public as
$$
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

create function hl7_sender_id(p_name text) returns bigint language plpgsql stable as
$$
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

grant execute on function hl7_sender_find(text, text, inet, text), hl7_receive(bigint, text, bytea, jsonb)
    to rdc_ingest;
