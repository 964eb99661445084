-- The server's own JSON log so far: records of a server with few settings changed and little gone wrong.
CREATE FUNCTION proof.log_lines() RETURNS TABLE (place bigint, line text) LANGUAGE sql AS $$
    SELECT place, line FROM string_to_table(pg_read_file('log/server.json'), E'\n') WITH ORDINALITY AS lines(line, place)
    WHERE line LIKE '{%}'
$$;

INSERT INTO proof.collected (target, payload, old)
    SELECT 'server_log', line, true FROM proof.log_lines() ORDER BY place;
