-- The connection doctor. The second parameter of a question is the texts of all
-- causes (model_cause_json).

-- name: contact_note
-- As rdc_ingest.
select contact_note($1::jsonb);

-- name: device_doctor
select device_doctor($1::text, $2::jsonb)::text;

-- name: stranger_doctor
select stranger_doctor($1::jsonb)::text;
