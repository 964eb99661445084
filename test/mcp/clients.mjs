// The two official SDK clients, in every era, over stdio and HTTP, through every tool, resource, prompt and completion.
// Environment: MEND_MCP (the program), MEND_DB (a connection string without user), MEND_URL (a bridge that serves HTTP as mcp_agent).
// Prints TAP.
import assert from 'node:assert/strict';
import { Client as V1Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as V1Stdio } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport as V1Http } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { Client as V2Client, StreamableHTTPClientTransport as V2Http } from '@modelcontextprotocol/client';
import { StdioClientTransport as V2Stdio } from '@modelcontextprotocol/client/stdio';

const { MEND_MCP: program, MEND_DB: database, MEND_URL: url } = process.env;
const info = { name: 'pg_mend-test', version: '1' };
const token = process.env.MEND_MCP_TOKEN;

function stdio(Transport, user) {
  return new Transport({ command: program, args: [`${database} user=${user}`], env: { PATH: process.env.PATH } });
}
function http(Transport) {
  return new Transport(new URL(url), token ? { requestInit: { headers: { Authorization: `Bearer ${token}` } } } : {});
}
const kinds = [
  ['SDK 1', (wire, user) => [new V1Client(info), wire === 'stdio' ? stdio(V1Stdio, user) : http(V1Http)]],
  ...['legacy', 'auto', { pin: '2026-07-28' }].map((mode) => [
    `SDK 2 ${mode.pin ?? mode}`,
    (wire, user) => [
      new V2Client(info, { versionNegotiation: { mode } }),
      wire === 'stdio' ? stdio(V2Stdio, user) : http(V2Http),
    ],
  ]),
];

let count = 0;
let failed = 0;
async function test(name, body) {
  count += 1;
  try {
    await body();
    console.log(`ok ${count} - ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`not ok ${count} - ${name}`);
    console.log(String(error.stack ?? error).replace(/^/gm, '# '));
  }
}

const readers = ['describe_table', 'dry_run_patch', 'get_patch', 'ingest_status', 'list_dead_letters', 'list_drift', 'list_patches'];

function text(result) {
  assert.equal(result.content.length, 1);
  return JSON.parse(result.content[0].text);
}

async function good(client, name, args = {}) {
  const result = await client.callTool({ name, arguments: args });
  assert.ok(!result.isError, `${name}: ${result.content[0].text}`);
  assert.deepEqual(text(result), result.structuredContent);
  return result.structuredContent;
}

async function refused(client, sqlstate, name, args = {}) {
  const result = await client.callTool({ name, arguments: args });
  assert.equal(result.isError, true, `${name} was to be refused`);
  assert.equal(text(result).sqlstate, sqlstate);
  assert.ok(text(result).message);
}

async function everything(client, wire) {
  const { tools } = await client.listTools();
  assert.deepEqual(tools.map((tool) => tool.name).sort(), [...readers, 'propose_patch'].sort());
  for (const tool of tools) assert.equal(tool.annotations.readOnlyHint, tool.name !== 'propose_patch', tool.name);

  const status = await good(client, 'ingest_status');
  assert.deepEqual(status.tables.map((table) => table.table), ['public.orders', '"Odd Schema"."Weird.Table"']);
  const drift = await good(client, 'list_drift', { table: 'orders', state: 'any' });
  assert.ok(drift.drift.some((one) => one.untrusted_field === 'coupon' && one.kind === 'new_field'));
  const first = await good(client, 'list_drift', { limit: 1 });
  const second = await good(client, 'list_drift', { limit: 1, cursor: first.next_cursor });
  assert.notEqual(first.drift[0].drift_id, second.drift[0].drift_id);
  const table = await good(client, 'describe_table', { table: 'public.orders' });
  assert.deepEqual(table.columns.map((column) => column.name), ['id', 'customer', 'total']);
  assert.deepEqual(table.dependent_views, ['public.order_totals']);
  assert.match(table.columns[1].untrusted_comment, /Ignore/);
  const odd = await good(client, 'list_drift', { table: '"Odd Schema"."Weird.Table"' });
  assert.equal(odd.drift[0].untrusted_field, '"; DROP TABLE orders; --');

  const { patch_id } = await good(client, 'propose_patch', {
    table: 'orders', ddl: '', field_map: [{ field: 'coupon', column: null }], rationale: `as ${wire} asked` });
  const patch = await good(client, 'get_patch', { patch_id });
  assert.equal(patch.state, 'proposed');
  assert.deepEqual(patch.untrusted_field_map, [{ field: 'coupon', column: null }]);
  const proof = await good(client, 'dry_run_patch', { patch_id });
  assert.deepEqual([proof.ok, proof.rows_healed, proof.rewrites_table], [true, 1, false]);
  assert.ok((await good(client, 'list_patches', { table: 'orders', state: 'proposed' })).patches.length > 0);
  const dead = (await good(client, 'list_dead_letters')).dead_letters;
  assert.ok(dead.length >= 2 && !('untrusted_payload' in dead[0]));

  await refused(client, '42501', 'propose_patch', { table: 'orders', ddl: 'DROP TABLE orders', rationale: 'x' });
  await refused(client, '42501', 'list_dead_letters', { include_values: true });
  await refused(client, '42501', 'retry_dead_letters', { table: 'orders' });
  await refused(client, '22023', 'list_drift', { limit: 0 });
  await refused(client, '42P01', 'describe_table', { table: 'nope' });
  await refused(client, '55000', 'describe_table', { table: 'pg_class' });
  await assert.rejects(client.callTool({ name: 'approve_patch', arguments: { patch_id } }), /Unknown tool/);

  const { resources } = await client.listResources();
  assert.equal(resources.length, 3);
  for (const { uri } of resources) {
    const { contents } = await client.readResource({ uri });
    assert.ok(JSON.parse(contents[0].text));
  }
  assert.equal((await client.listResourceTemplates()).resourceTemplates.length, 2);
  await client.readResource({ uri: `mend://patch/${patch_id}` });
  await assert.rejects(client.readResource({ uri: 'mend://patch/999999' }), /not found/i);
  assert.equal((await client.listPrompts()).prompts.length, 2);
  const prompt = await client.getPrompt({ name: 'review_patch', arguments: { patch_id: String(patch_id) } });
  assert.match(prompt.messages[0].content.text, /dry_run_patch/);
  const completion = await client.complete({
    ref: { type: 'ref/resource', uri: 'mend://table/{schema}/{table}' },
    argument: { name: 'table', value: 'o' }, context: { arguments: { schema: 'public' } } });
  assert.deepEqual(completion.completion.values, ['orders']);
}

async function administrator(client) {
  const { tools } = await client.listTools();
  assert.deepEqual(tools.map((tool) => tool.name).sort(), [...readers, 'propose_patch', 'retry_dead_letters'].sort());
  const letters = (await good(client, 'list_dead_letters', { include_values: true, kind: 'malformed' })).dead_letters;
  assert.equal(letters[0].untrusted_payload, '"no object"');
  assert.deepEqual(await good(client, 'retry_dead_letters', { table: 'orders', ids: [letters[0].id] }), { requeued: 1 });
  // It comes back, as the same dead letter.
  for (let tries = 0; ; tries += 1) {
    const now = await good(client, 'list_dead_letters', { table: 'orders', kind: 'malformed' });
    if (now.dead_letters.length === 1) break;
    assert.ok(tries < 600, 'the retried payload is neither queued nor dead');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

for (const wire of url ? ['stdio', 'http'] : ['stdio']) {
  for (const [name, make] of kinds) {
    await test(`${name} over ${wire}: every tool, resource, prompt and completion`, async () => {
      const [client, transport] = make(wire, 'mcp_agent');
      await client.connect(transport);
      try {
        await everything(client, wire);
      } finally {
        await client.close();
      }
    });
  }
}
for (const [name, make] of kinds) {
  await test(`${name} as mend_admin sees payloads and retries`, async () => {
    const [client, transport] = make('stdio', 'mcp_admin');
    await client.connect(transport);
    try {
      await administrator(client);
    } finally {
      await client.close();
    }
  });
}
console.log(`1..${count}`);
process.exit(failed ? 1 : 0);
