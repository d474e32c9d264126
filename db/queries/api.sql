-- What people ask through HTTP, as rdc_api. Every transaction but the log-in
-- begins with session_enter.

-- name: session_enter
select session_enter($1::bytea);

-- name: session_login
select person, hash, closed from session_login($1::text);

-- name: session_failed
select session_failed($1::bigint);

-- name: session_open
select session_open($1::bigint, $2::bytea, $3::int)::text;

-- name: session_close
select session_close($1::bytea);

-- name: exam_worklist
select exam_worklist($1::int)::text;

-- name: exam_list
select exam_list(nullif($1::text, ''), nullif($2::text, '')::timestamptz, $3::int)::text;

-- name: exam_get
select exam_get($1::bigint)::text;

-- name: exam_claim
select exam_claim($1::bigint, $2::int)::text;

-- name: exam_heartbeat
select exam_heartbeat($1::bigint, $2::bigint, $3::int)::text;

-- name: exam_draft
select exam_draft($1::bigint, $2::bigint, $3::jsonb, $4::int)::text;

-- name: exam_submit
select exam_submit($1::bigint, $2::bigint, $3::text)::text;

-- name: exam_recall
select exam_recall($1::bigint, $2::int)::text;

-- name: exam_sign
select exam_sign($1::bigint, $2::bigint, $3::text)::text;

-- name: exam_reader_act
select exam_reader_act($1::bigint, $2::text, $3::bigint, $4::text, $5::text)::text;

-- name: exam_centre_act
select exam_centre_act($1::bigint, $2::text, $3::text)::text;

-- name: exam_set_priority
select exam_set_priority($1::bigint, $2::text, $3::text)::text;

-- name: upload_permit
select upload_permit()::text;

-- name: report_file
select report_file($1::bigint, $2::int)::text;

-- name: instance_file
select (instance_file($1::text) || jsonb_build_object('earlier', ecg_compared_file($1::text)))::text;

-- name: instance_audit
select audit_read('image', (instance_file($1::text) ->> 'exam')::bigint);

-- name: audit_read
select audit_read($1::text, $2::bigint);

-- name: ping
select 1;

-- name: upload_begin
select upload_begin($1::text, $2::bigint, $3::jsonb, $4::int, $5::bigint)::text;

-- name: manifest_put
select manifest_put($1::jsonb)::text;

-- name: upload_find
select upload_find($1::text)::text;
