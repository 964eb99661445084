-- What the server has logged since.
INSERT INTO proof.collected (target, payload, old)
    SELECT 'server_log', line, false FROM proof.log_lines()
    WHERE place > (SELECT count(*) FROM proof.collected WHERE target = 'server_log') ORDER BY place;
