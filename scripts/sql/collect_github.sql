-- GitHub deliveries of two releases of the same examples. Each kind of object that deliveries carry is a table.
-- :old and :new name the two files.
CREATE FUNCTION proof.github(file text) RETURNS TABLE (kind text, record text) LANGUAGE sql AS $$
    SELECT pair.key, pair.value::text
    FROM jsonb_array_elements(pg_read_file(file)::jsonb) AS event,
         jsonb_array_elements(event -> 'examples') AS example,
         jsonb_each(example) AS pair
    WHERE pair.key IN ('repository', 'workflow_run', 'issue', 'pull_request', 'comment', 'deployment')
      AND jsonb_typeof(pair.value) = 'object'
$$;

INSERT INTO proof.collected (target, payload, old)
    SELECT 'github_' || kind, record, true FROM proof.github(:'old')
    UNION ALL
    SELECT 'github_' || kind, record, false FROM proof.github(:'new');
