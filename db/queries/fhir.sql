-- Orders by FHIR, as rdc_api.

-- name: fhir_put
select fhir_put($1::jsonb, $2::boolean)::text;

-- name: fhir_find
select fhir_find($1::text, $2::text)::text;
