-- HL7 senders and messages: as rdc_ingest, and as the owner for the command line.

-- name: hl7_sender_find
select hl7_sender_find($1::text, $2::text, $3::inet, $4::text)::text;

-- name: hl7_receive
select hl7_receive($1::bigint, $2::text, $3::bytea, $4::jsonb)::text;

-- name: hl7_add
insert into hl7_sender (app, facility, org_id, address, charset, certificate)
values (split_part($1, '^', 1), split_part($1, '^', 2), org_id($2, 'centre'), network($3::inet)::cidr, $4,
    nullif($5, 'none'))
returning app || '^' || facility;

-- name: hl7_list
select s.app || '^' || s.facility as sender, o.code as org, s.address, s.charset, s.certificate, s.disabled_at
from hl7_sender s join organisation o on o.id = s.org_id order by 1, s.id;

-- name: hl7_change
update hl7_sender set charset = coalesce($2, charset), address = coalesce(network($3::inet)::cidr, address),
    certificate = case when $4 = 'none' then null else coalesce($4, certificate) end
where id = hl7_sender_id($1) returning app || '^' || facility;

-- name: hl7_disable
update hl7_sender set disabled_at = case when $2::boolean then now() end
where id = hl7_sender_id($1) returning app || '^' || facility;

-- name: hl7_map
insert into hl7_code (sender_id, code, modality, description)
values (hl7_sender_id($1), $2, upper($3), $4)
on conflict (sender_id, code) do update set modality = excluded.modality, description = excluded.description
returning code;

-- name: hl7_codes
select s.app || '^' || s.facility as sender, c.code, c.modality, c.description
from hl7_code c join hl7_sender s on s.id = c.sender_id order by 1, 2;

-- name: hl7_unmap
delete from hl7_code where sender_id = hl7_sender_id($1) and code = $2 returning code;
