// The transcript in doc/mcp.md: an SDK client and a person with psql, from drift to rows. Prints Markdown; members that
// differ from run to run, and some that say little, are left out (...).
// Environment: MEND_MCP (the program), MEND_DB (a connection string without user, to a database with nothing in it), PGUSER.
import { execFileSync } from 'node:child_process';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

const { MEND_MCP: program, MEND_DB: database } = process.env;

function psql(sql, ...options) {
  return execFileSync('psql', ['-X', '-q', '-d', database, ...options, '-c', sql], { encoding: 'utf8' }).trimEnd();
}

function person(sql, show = sql) {
  const out = psql(sql, '-P', 'footer=off');
  console.log('```sql\n' + show + ';\n' + (out ? out.replace(/^/gm, '-- ').replace(/ +$/gm, '') + '\n' : '') + '```\n');
}

// The members named, in their order; {} for an object below.
function pick(value, keys) {
  if (Array.isArray(value)) return value.map((one) => pick(one, keys));
  return Object.fromEntries(Object.entries(keys).map(([key, below]) => [
    key, value[key] !== null && typeof value[key] === 'object' && Object.keys(below).length ? pick(value[key], below) : value[key]]));
}

function lines(value) {
  return JSON.stringify(value, null, 1).replace(/\n\s*/g, ' ').replace(/([[{]) /g, '$1').replace(/ ([\]}])/g, '$1')
    .replace(/(.{1,112})(?: |$)/g, '$1\n').trimEnd();
}

const client = new Client({ name: 'transcript', version: '1' }, { versionNegotiation: { mode: 'auto' } });

async function call(name, args, keys) {
  const result = await client.callTool({ name, arguments: args });
  const shown = result.isError ? JSON.parse(result.content[0].text) : pick(result.structuredContent, keys);
  console.log('```\n> ' + lines({ [name]: args }).slice(1, -1).replace(/^"(\w+)": /, '$1 ') + '\n' +
    (result.isError ? 'isError: ' : '') + lines(shown) + '\n```\n');
  return result.structuredContent;
}

psql(`CREATE EXTENSION pg_mend;
  CREATE TABLE orders (id int PRIMARY KEY, customer_name text NOT NULL, total int)`);
console.log('A person has a landing table, and its sender renames a field:\n');
person("SELECT mend.enroll('orders')");
person(`SELECT * FROM healing_load('orders',
    '[{"id": 1, "customer": "Ada", "total": 40}, {"id": 2, "customer": "Bob", "total": 75}]')`);
psql('CALL mend.wait_idle()');

console.log('No rule is sure what that means, so the rows wait for a person. The agent looks:\n');
await client.connect(new StdioClientTransport({ command: program, args: [`${database} user=mcp_agent`], env: { PATH: process.env.PATH } }));
await call('ingest_status', {}, { tables: { table: {}, state: {}, queued: {}, dead_letters: {} } });
await call('list_drift', { table: 'orders' }, { drift: { kind: {}, untrusted_field: {}, column: {}, rows: {}, state: {} } });
await call('describe_table', { table: 'orders' }, { table: {}, columns: { name: {}, type: {}, not_null: {} }, unhealed_drift: {} });

console.log('It has an idea that the policy does not allow, and a better one:\n');
await call('propose_patch', { table: 'orders', ddl: 'ALTER TABLE orders RENAME customer_name TO customer', rationale: 'The field was renamed.' }, {});
const { patch_id } = await call('propose_patch',
  { table: 'orders', ddl: '', field_map: [{ field: 'customer', column: 'customer_name' }],
    rationale: 'Every row lacks customer_name and brings customer, which is text: the sender renamed the field.' },
  { patch_id: {}, state: {}, ddl: {}, rewrites_table: {}, untrusted_field_map: {}, untrusted_reason: {} });
await call('dry_run_patch', { patch_id }, { ok: {}, rows_tried: {}, rows_healed: {}, rewrites_table: {} });
await client.callTool({ name: 'approve_patch', arguments: { patch_id } }).catch((error) => {
  console.log('Approving is not for agents:\n\n```\n> approve_patch ' + lines({ patch_id }) + '\n' + error.message + '\n```\n');
});

console.log('The person decides, in psql:\n');
person(`SELECT planner, field_map, rationale FROM mend.patches WHERE id = ${patch_id}`);
person(`SELECT mend.approve(${patch_id})`);
psql('CALL mend.wait_idle()');
person('SELECT * FROM orders');

console.log('And the agent sees that it is done:\n');
await call('get_patch', { patch_id }, { state: {}, rows_healed: {}, proposed_by: {}, decided_by: {} });
await call('ingest_status', {}, { tables: { table: {}, state: {}, queued: {}, dead_letters: {} } });
await client.close();
console.log('Who did what, in order:\n');
person(`SELECT kind, actor, detail ->> 'tool' AS tool, detail ->> 'sqlstate' AS sqlstate
FROM mend.events WHERE kind = 'tool_call' OR kind LIKE 'patch_%' ORDER BY id`);
