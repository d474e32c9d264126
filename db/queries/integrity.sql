-- What rdc fsck and rdc export ask, as the owner.

-- name: integrity_objects
select id, location, encode(sha256, 'hex'), size, media = 'application/dicom'
from object where id > $1::bigint order by id limit 500;

-- name: integrity_count
select count(*), coalesce(sum(size), 0)::bigint from object;

-- name: integrity_places
select distinct split_part(location, '/', 1)
from ((select location from object where damaged_at is null order by id limit 1000)
      union all (select location from object where damaged_at is null order by id desc limit 1000)) o;

-- name: integrity_known
select location from object where location = any ($1::text[]);

-- name: integrity_findings
select kind, subject, detail, open from integrity_findings();

-- name: integrity_repair
select integrity_repair();

-- name: integrity_rerender
select integrity_rerender($1::bigint, $2);

-- name: rebuild_one
select rebuild_one($1::jsonb, $2::jsonb);

-- name: rebuild_file
insert into object (location, sha256, size, media)
values ($1, decode($2, 'hex'), $3::bigint, $4) on conflict do nothing;

-- name: export_objects
select c.code, i.sop_uid, i.variant, i.sop_class, i.transfer_syntax, o.location,
    encode(o.sha256, 'hex'), f.location, encode(f.sha256, 'hex')
from study s
    join organisation c on c.id = s.centre_id
    join instance i on i.study_id = s.id
    join object o on o.id = i.object_id
    left join object f on f.id = i.original_id
where s.study_uid = $1 and ($2::text is null or c.code = $2)
order by c.code, i.id;
