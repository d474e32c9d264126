-- What operators ask through the command line, as the owner. An add or change
-- returns one row that names what was done; a list returns its columns.

-- name: org_add
insert into organisation (code, name, kind) values ($1, $2, $3) returning code;

-- name: org_list
select code, name, kind, timezone, disabled_at from organisation order by code;

-- name: org_change
update organisation set name = coalesce($2, name), timezone = coalesce($3, timezone)
where id = org_id($1) returning code;

-- name: org_disable
update organisation set disabled_at = case when $2::boolean then now() end
where id = org_id($1) returning code;

-- name: line_add
insert into line (code, name, modalities, two_step)
values ($1, $2, string_to_array(upper($3), ','), coalesce($4::boolean, false)) returning code;

-- name: line_list
select code, name, array_to_string(modalities, ',') as modalities, two_step, disabled_at
from line order by code;

-- name: line_change
update line set name = coalesce($2, name),
    modalities = coalesce(string_to_array(upper($3), ','), modalities),
    two_step = coalesce($4::boolean, two_step)
where id = line_id($1) returning code;

-- name: line_disable
update line set disabled_at = case when $2::boolean then now() end
where id = line_id($1) returning code;

-- name: device_add
insert into device (aet, org_id, address, called, callback_host, callback_port, charset, quiet_seconds,
    limit_seconds, certificate, watch_dir, max_associations, max_rate, max_bytes_in_flight)
values ($1, org_id($2, 'centre'), network($3::inet)::cidr, $4, $5, $6::int, nullif($7, 'none'), coalesce($8::int, 15),
    coalesce($9::int, 300), nullif($10, 'none'), nullif($11, 'none'), nullif($12, 'default')::int,
    nullif($13, 'default')::int, nullif($14, 'default')::bigint)
returning aet;

-- name: device_list
select d.aet, o.code as org, d.address, d.called,
    d.callback_host || ':' || d.callback_port as callback, d.charset, d.quiet_seconds as quiet,
    d.limit_seconds as limit, d.certificate, d.watch_dir as watch, d.max_associations as associations,
    d.max_rate as rate, d.max_bytes_in_flight as bytes, d.disabled_at
from device d join organisation o on o.id = d.org_id order by d.aet, d.id;

-- name: device_change
update device set
    callback_host = coalesce($4, callback_host), callback_port = coalesce($5::int, callback_port),
    charset = case when $6 = 'none' then null else coalesce($6, charset) end,
    quiet_seconds = coalesce($7::int, quiet_seconds),
    limit_seconds = coalesce($8::int, limit_seconds),
    certificate = case when $9 = 'none' then null else coalesce($9, certificate) end,
    watch_dir = case when $10 = 'none' then null else coalesce($10, watch_dir) end,
    max_associations = case when $11 = 'default' then null else coalesce($11::int, max_associations) end,
    max_rate = case when $12 = 'default' then null else coalesce($12::int, max_rate) end,
    max_bytes_in_flight = case when $13 = 'default' then null
        else coalesce($13::bigint, max_bytes_in_flight) end
where id = device_id($1, $2::inet, $3) returning aet;

-- name: device_disable
update device set disabled_at = case when $4::boolean then now() end
where id = device_id($1, $2::inet, $3) returning aet;

-- name: user_add
insert into person (login, org_id, role, name, password_hash)
values (lower($1), org_id($2), $3, coalesce($4, $1), $5) returning login;

-- name: user_list
select p.login, o.code as org, p.role, p.name, p.disabled_at
from person p join organisation o on o.id = p.org_id order by p.login;

-- name: user_change
update person set role = coalesce($2, role), name = coalesce($3, name),
    password_hash = coalesce($4, password_hash)
where login = lower($1) returning login;

-- name: user_disable
update person set disabled_at = case when $2::boolean then now() end
where login = lower($1) returning login;

-- name: contract_add
insert into contract (centre_id, hospital_id, line_id, within_minutes, two_step)
values (org_id($1, 'centre'), org_id($2, 'hospital'), line_id($3), coalesce($4::int, 120), $5::boolean)
returning id;

-- name: contract_list
select c.code as centre, h.code as hospital, l.code as line, x.within_minutes as within,
    coalesce(x.two_step, l.two_step) as two_step, x.disabled_at
from contract x join organisation c on c.id = x.centre_id
    join organisation h on h.id = x.hospital_id join line l on l.id = x.line_id
order by 1, 2, 3;

-- name: contract_change
update contract set within_minutes = coalesce($4::int, within_minutes),
    two_step = coalesce($5::boolean, two_step)
where id = contract_id($1, $2, $3) returning id;

-- name: contract_disable
update contract set disabled_at = case when $4::boolean then now() end
where id = contract_id($1, $2, $3) returning id;

-- name: destination_add
insert into destination (name, org_id, aet, host, port, tls)
values ($1, org_id($2), $3, $4, $5::int, coalesce($6::boolean, false)) returning name;

-- name: destination_list
select t.name, o.code as org, t.aet || '@' || t.host || ':' || t.port as dicom, t.tls,
    t.disabled_at
from destination t join organisation o on o.id = t.org_id order by t.name;

-- name: destination_change
update destination set aet = coalesce($2, aet), host = coalesce($3, host), port = coalesce($4::int, port),
    tls = coalesce($5::boolean, tls)
where name = $1 returning name;

-- name: destination_disable
update destination set disabled_at = case when $2::boolean then now() end
where name = $1 returning name;

-- name: delivery_list
select d.id, t.name as destination, r.exam_id as exam, r.version, d.state, d.attempts, d.next_at,
    d.last_error, d.warning
from delivery d join report r on r.id = d.report_id join destination t on t.id = d.destination_id
where d.state <> 'superseded' order by d.id desc limit 200;

-- name: delivery_retry
select delivery_retry($1::bigint);

-- name: constraint_text
select constraint_text($1);

-- name: operator_worklist
select exam_worklist(1000)::text;

-- name: status_report
select status_report()::text;
