-- What devices and the queues ask, as rdc_ingest.

-- name: device_find
select device_find($1::text, $2::inet, $3::text, $4::text)::text;

-- name: ingest_store
select ingest_store($1::jsonb, $2::json[])::text;

-- name: object_known
select unnest(object_known($1::text[]));

-- name: exam_complete_due
select exam_complete_due();

-- name: exam_expire_due
select exam_expire_due();

-- name: job_claim
select job_claim($1::text, $2::int, $3::int, $4::boolean)::text;

-- name: job_put_back
select job_put_back($1::bigint, $2::text, $3::int);

-- name: job_renew
select job_renew($1::bigint[], $2::int);

-- name: job_failed
select job_failed($1::bigint, $2::text, $3::int);

-- name: metadata_done
select metadata_done($1::bigint, $2::bigint, $3::json, $4::text);

-- name: object_broken
select object_broken($1::bigint, $2::text);

-- name: check_done
select check_done($1::jsonb);

-- name: measure_done
select measure_done($1::bigint[], $2::bigint[], $3::text[], $4::bigint[]);

-- name: report_rendered
select report_rendered($1::bigint, $2::bigint, $3::jsonb, $4::jsonb, $5::jsonb);

-- name: delivery_claim
select delivery_claim($1::int, $2::int)::text;

-- name: delivery_renew
select delivery_renew($1::bigint[], $2::bigint[], $3::int);

-- name: delivery_done
select delivery_done($1::bigint, $2::bigint, $3::text, $4::text, $5::int, $6::int);

-- name: manifest_take
select manifest_take($1::bigint, $2::jsonb)::text;

-- name: upload_done
select upload_done($1::text, $2::jsonb);

-- name: object_damaged
select object_damaged($1::jsonb);

-- name: upload_drop
select upload_drop($1::text);

-- name: upload_expire
select upload_expire($1::int)::text;

-- name: mpps_create
select mpps_create($1::bigint, $2::bigint, $3::text, $4::jsonb)::text;

-- name: mpps_set
select mpps_set($1::bigint, $2::bigint, $3::text, $4::jsonb)::text;

-- name: commitment_request
select commitment_request($1::bigint, $2::bigint, $3::text, $4::jsonb)::text;

-- name: commitment_begin
select commitment_begin($1::bigint)::text;

-- name: commitment_checked
select commitment_checked($1::bigint, $2::bigint, $3::int[], $4::text[], $5::int)::text;

-- name: commitment_tell
select commitment_tell($1::bigint, $2::int)::text;

-- name: commitment_claim
select commitment_claim($1::int, $2::int)::text;

-- name: commitment_done
select commitment_done($1::bigint, $2::bigint, $3::text, $4::int, $5::int);

-- name: watch_claim
select watch_claim($1::text, $2::int)::text;
