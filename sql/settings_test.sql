-- What a setting cannot mean is said when it is set.
\set VERBOSITY default
LOAD 'pg_mend';
SET mend.planners = 'rules, claude';
SET mend.planners = '';
SET mend.planners = 'rules,cluade';
SET mend.webhook_url = 'hooks.slack.com/services/x';
SET mend.webhook_url = 'https://';
SET mend.report_url = E'https://reports.example/a b';
SET mend.lineage_url = 'file:///etc/passwd';
SET mend.api_url = 'ftp://api.example';
SET mend.webhook_url = 'https://hooks.example/x';
SET mend.api_url = 'http://127.0.0.1:8080';
SHOW mend.webhook_url;
RESET mend.webhook_url;
SHOW mend.webhook_url;
SET mend.max_server_workers = 0;
SHOW mend.max_server_workers;
RESET mend.max_server_workers;
SHOW mend.max_server_workers;
