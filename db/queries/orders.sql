-- Orders: for people (order_put …), and for operators on the command line (order_add …).

-- name: order_put
select order_put($1::jsonb)::text;

-- name: order_get
select order_get($1::bigint)::text;

-- name: order_list
select order_list(nullif($1::text, ''), nullif($2::text, ''), nullif($3::text, ''), $4::int)::text;

-- name: order_add
select o ->> 'accession' as accession, order_notes(o) as note
from order_upsert(jsonb_strip_nulls(jsonb_build_object('control', 'new', 'centre_id', org_id($1, 'centre'),
    'patient_id', $2::text, 'patient_name', $3::text, 'patient_pinyin', $4::text, 'birth_date', $5::text,
    'sex', upper($6::text), 'resident_id', $7::text, 'accession', $8::text, 'modality', upper($9::text),
    'description', $10::text, 'scheduled_at', $11::text, 'priority', $12::text, 'station', $13::text,
    'study_uid', $14::text, 'procedure_code', $15::text, 'procedure_scheme', $16::text,
    'placer_number', $17::text, 'requester', $18::text, 'referrer', $19::text))) o;

-- name: order_change
-- What it says of the patient corrects what is known.
select o ->> 'accession' as accession, order_notes(o) as note
from order_upsert(jsonb_strip_nulls(jsonb_build_object('control', 'change', 'centre_id', org_id($2, 'centre'),
    'correct_patient', true, 'accession', $1::text, 'patient_name', $3::text, 'patient_pinyin', $4::text, 'birth_date', $5::text,
    'sex', upper($6::text), 'description', $7::text, 'scheduled_at', $8::text, 'priority', $9::text,
    'station', $10::text))) o;

-- name: order_cancel
select order_upsert(jsonb_strip_nulls(jsonb_build_object('control', 'cancel', 'centre_id', org_id($2, 'centre'),
    'accession', $1::text, 'reason', $3::text))) ->> 'accession';

-- name: order_table
select c.code as org, o.accession, p.patient_id, o.modality, o.station, o.scheduled_at as at, o.priority,
    o.state, o.description
from exam_order o join organisation c on c.id = o.centre_id join patient p on p.id = o.patient_id
order by o.id desc limit 500;

-- name: order_stat
select centre_id, accession, study_uid from order_stat($1::int);

-- name: worklist_find
select worklist_find($1::bigint, $2::text, $3::jsonb, $4::int, $5::int)::text;

-- name: exam_resolve
select exam_resolve($1::bigint, $2::text, $3::text)::text;

-- name: exam_resolve_object
select exam_resolve_object($1::bigint, $2::text, $3::text)::text;

-- name: patient_unspelled
select id, name from patient_unspelled($1::int);

-- name: patient_spell
select patient_spell($1::bigint[], $2::text[]);
