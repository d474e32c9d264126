-- The outbox: one lease, back-off, one delivery per destination at a time.
do $$
declare
    e bigint := (t_object('1.5.1', '1.5.1.1.1', '{"single": true}') ->> 'exam')::bigint;
    l bigint;
    r bigint;
    v jsonb;
    w jsonb;
    f jsonb := jsonb_build_object('sha256', repeat('ab', 32), 'size', 10, 'sop_class', '1.2.3');
begin
    perform t_as('reader1');
    l := (exam_claim(e, 300) ->> 'lease')::bigint;
    perform exam_draft(e, l, '{"findings": "a", "impression": "b"}', 300);
    perform exam_sign(e, l, null);
    select id into strict r from report;
    -- nothing leaves before the files are there
    assert delivery_claim(10, 60) = '[]';
    v := job_claim('render', 1, 60);
    assert v -> 0 -> 'input' ->> 'impression' = 'b';
    assert report_rendered((v -> 0 ->> 'id')::bigint, r, f || '{"location": "r/1"}',
        f || '{"location": "r/2"}', f || '{"location": "r/3"}');
    assert not report_rendered((v -> 0 ->> 'id')::bigint, r, f || '{"location": "r/4"}',
        f || '{"location": "r/5"}', f || '{"location": "r/6"}');
    v := delivery_claim(10, 60);
    assert jsonb_array_length(v) = 1 and jsonb_array_length(v -> 0 -> 'objects') = 2;
    assert delivery_claim(10, 60) = '[]';
    assert delivery_done((v -> 0 ->> 'id')::bigint, 99, 'ok', '', 5, 60) is null;
    assert delivery_done((v -> 0 ->> 'id')::bigint, (v -> 0 ->> 'lease')::bigint, 'retry', 'down', 5, 60) = 'due';
    assert delivery_claim(10, 60) = '[]';
    assert (select next_at > now() + interval '4 seconds' from delivery);
    update delivery set next_at = now();
    v := delivery_claim(10, 60);
    assert (v -> 0 ->> 'attempt')::int = 2;
    -- while it is being sent its lease is renewed, but not by who has an older one
    update delivery set lease_until = now();
    perform delivery_renew(array[(v -> 0 ->> 'id')::bigint], array[(v -> 0 ->> 'lease')::bigint - 1], 60);
    assert (select lease_until = now() from delivery);
    perform delivery_renew(array[(v -> 0 ->> 'id')::bigint], array[(v -> 0 ->> 'lease')::bigint], 60);
    assert (select lease_until = now() + interval '60 seconds' from delivery);
    -- the worker dies: the lease runs out, and somebody else sends
    update delivery set lease_until = now() - interval '1 second';
    v := delivery_claim(10, 60);
    assert (v -> 0 ->> 'attempt')::int = 3;
    assert delivery_done((v -> 0 ->> 'id')::bigint, (v -> 0 ->> 'lease')::bigint, 'permanent', 'no', 5, 60) = 'dead';
    assert delivery_retry((v -> 0 ->> 'id')::bigint) = 'due';
    v := delivery_claim(10, 60);
    assert delivery_done((v -> 0 ->> 'id')::bigint, (v -> 0 ->> 'lease')::bigint, 'ok', '', 5, 60) = 'acknowledged';
    -- a newer version waits while the one before is being sent, and takes its place when that fails
    perform t_object('1.5.1', '1.5.1.1.9');
    l := (exam_claim(e, 300) ->> 'lease')::bigint;
    perform exam_draft(e, l, '{"findings": "c", "impression": "d"}', 300);
    perform exam_sign(e, l, null);
    v := job_claim('render', 1, 60);
    perform report_rendered((v -> 0 ->> 'id')::bigint, (v -> 0 ->> 'subject')::bigint, f || '{"location": "r/11"}',
        f || '{"location": "r/12"}', f || '{"location": "r/13"}');
    v := delivery_claim(10, 60);
    assert jsonb_array_length(v) = 1;
    perform t_object('1.5.1', '1.5.1.1.10');
    l := (exam_claim(e, 300) ->> 'lease')::bigint;
    perform exam_draft(e, l, '{"findings": "e", "impression": "f"}', 300);
    perform exam_sign(e, l, null);
    w := job_claim('render', 1, 60);
    perform report_rendered((w -> 0 ->> 'id')::bigint, (w -> 0 ->> 'subject')::bigint, f || '{"location": "r/21"}',
        f || '{"location": "r/22"}', f || '{"location": "r/23"}');
    assert delivery_claim(10, 60) = '[]', 'one at a time';
    assert delivery_done((v -> 0 ->> 'id')::bigint, (v -> 0 ->> 'lease')::bigint, 'retry', 'down', 0, 0) = 'due';
    w := delivery_claim(10, 60);
    assert jsonb_array_length(w) = 1 and w -> 0 ->> 'id' <> v -> 0 ->> 'id', w;
    assert (select string_agg(state, ' ' order by id) from delivery) = 'acknowledged superseded sending';
    assert delivery_done((w -> 0 ->> 'id')::bigint, (w -> 0 ->> 'lease')::bigint, 'ok', '', 5, 60) = 'acknowledged';
    -- what rdc made is not a late object when a copy comes back
    v := t_object('1.5.1', (select sr_uid from report where version = 1));
    assert v ->> 'outcome' = 'duplicate' and t_state(e) = 'final';
    -- nor while its files are made again, which then take their place
    select sr_object_id into strict l from report where version = 1;
    assert integrity_rerender(l, (select location from object where id = l));
    v := t_object('1.5.1', (select sr_uid from report where version = 1));
    assert v ->> 'outcome' = 'duplicate' and (v ->> 'exam')::bigint = e and v ->> 'study_uid' = '1.5.1'
        and v -> 'have' = 'null' and t_state(e) = 'final', v;
    -- under another study too: it would stand where they belong
    v := t_object('1.5.2', (select pdf_uid from report where version = 1), '{"metadata": {}}');
    assert v ->> 'outcome' = 'duplicate' and (v ->> 'exam')::bigint = e, v;
    v := job_claim('render', 1, 60);
    assert report_rendered((v -> 0 ->> 'id')::bigint, (v -> 0 ->> 'subject')::bigint, f || '{"location": "r/31"}',
        f || '{"location": "r/32"}', f || '{"location": "r/33"}');
    assert not exists (select from integrity_findings() where open);
end $$;
