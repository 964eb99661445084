// One conversation with each official SDK for a cloud platform, against its stand-in; then the same with a wrong credential.
import { AnthropicBedrock, AnthropicBedrockMantle } from '@anthropic-ai/bedrock-sdk';
import { AnthropicVertex } from '@anthropic-ai/vertex-sdk';
import { AnthropicFoundry } from '@anthropic-ai/foundry-sdk';

const at = (name, path = '') => `http://127.0.0.1:${process.env[`PORT_${name}`]}${path}`;
const aws = { awsRegion: 'us-east-1', awsAccessKey: 'AKIDTEST', awsSessionToken: 'token-1', maxRetries: 0 };
const google = (token) => ({ getRequestHeaders: async () => new Headers({ authorization: `Bearer ${token}` }) });
const clients = {
  'bedrock, signed': [
    (secret) => new AnthropicBedrock({ ...aws, baseURL: at('bedrock'), awsSecretKey: secret ?? 'secret/1+' }),
    'eu.anthropic.claude-haiku-5-5', 'anthropic.claude-haiku-4-5-20251001-v1:0'],
  'bedrock, with a key': [
    (secret) => new AnthropicBedrock({ baseURL: at('bedrock'), apiKey: secret ?? 'test-key', maxRetries: 0 }), 'anthropic.claude-haiku-5-5'],
  'mantle, signed': [
    (secret) => new AnthropicBedrockMantle({ ...aws, baseURL: at('mantle', '/anthropic'), awsSecretAccessKey: secret ?? 'secret/1+' }),
    'anthropic.claude-haiku-5-5'],
  'mantle, with a key': [
    (secret) => new AnthropicBedrockMantle({ baseURL: at('mantle', '/anthropic'), awsRegion: 'us-east-1', apiKey: secret ?? 'test-key', maxRetries: 0 }),
    'anthropic.claude-haiku-5-5'],
  'vertex': [
    (secret) => new AnthropicVertex({ baseURL: at('vertex', '/v1'), region: 'global', projectId: 'p', authClient: google(secret ?? 'test-key'), maxRetries: 0 }),
    'claude-haiku-5-5', 'claude-haiku-5-5@20261007'],
  'foundry': [
    (secret) => new AnthropicFoundry({ baseURL: at('foundry', '/anthropic'), apiKey: secret ?? 'test-key', maxRetries: 0 }), 'claude-haiku-5-5'],
};

let failed = 0;
for (const [name, [make, ...models]] of Object.entries(clients)) {
  const ask = (client, model) => client.messages.create({
    model, max_tokens: 100, system: 's', messages: [{ role: 'user', content: 'x' }],
    tools: [{ name: 'give_up', description: 'd', input_schema: { type: 'object', properties: {}, required: [], additionalProperties: false } }],
  });
  for (const model of models) {
    try {
      const reply = await ask(make(), model);
      if (reply.type !== 'message') throw new Error(`no message: ${JSON.stringify(reply)}`);
    } catch (error) {
      failed++;
      console.log(`${name}, ${model}: ${error}`);
    }
  }
  try {
    await ask(make('wrong'), models[0]);
    failed++;
    console.log(`${name}: a wrong credential was accepted`);
  } catch (error) {
    if (error.status !== 401 && error.status !== 403) { failed++; console.log(`${name}, wrong credential: ${error}`); }
  }
}
console.log(`${Object.keys(clients).length} clients, ${failed} failures`);
process.exit(failed ? 1 : 0);
