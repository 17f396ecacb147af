// REST through the official JavaScript SDK, with its calls where it has them and with its client
// where it has none.
//
//     node rest.mjs BASE_URL WAV

import { createReadStream } from 'node:fs';

import { CozeAPI } from '@coze/api';

import { Steps } from './steps.mjs';

const [baseURL, wav] = process.argv.slice(2);
const bot_id = '7400000000000000001';
const user_id = 'guest-1';
const client = new CozeAPI({ token: 'pat_made_up_for_tests', baseURL });
const steps = new Steps();
const take = (step, call) => steps.take(step, call);
const question = (content) => [{ role: 'user', content_type: 'text', content }];

async function all(stream) {
  const found = [];
  for await (const event of stream) found.push([event.event, event.data]);
  return found;
}

async function people() {
  await take('users.me', () => client.users.me());
  await take('workspaces.list', () => client.workspaces.list());
  const stranger = new CozeAPI({ token: 'bad_token', baseURL });
  await take('stranger', () => stranger.users.me());
  await take('stranger.stream', () =>
    all(stranger.chat.stream({ bot_id, additional_messages: question('Hello') })),
  );
}

async function bots() {
  const space_id = (await client.workspaces.list()).workspaces[0].id;
  const made = await take('bots.create', () => client.bots.create({ space_id, name: 'Judge' }));
  await take('bots.update', () => client.bots.update({ bot_id: made.bot_id, name: 'Judge 2' }));
  await take('bots.publish', () =>
    client.bots.publish({ bot_id: made.bot_id, connector_ids: ['1024'] }),
  );
  await take('bots.retrieve', () => client.bots.retrieve({ bot_id: made.bot_id }));
  await take('bots.retrieveNew', () => client.bots.retrieveNew(bot_id));
  await take('bots.list', () => client.bots.list({ space_id, page_index: 1, page_size: 10 }));
  await take('bots.listNew', () => client.bots.listNew({ workspace_id: space_id }));
}

async function conversations() {
  const talks = client.conversations;
  const talk = await take('conversations.create', () =>
    talks.create({ bot_id, messages: question('Hello'), meta_data: { room: 'lobby' } }),
  );
  await take('conversations.retrieve', () => talks.retrieve(talk.id));
  await take('conversations.list', () => talks.list({ bot_id, page_num: 1, page_size: 5 }));
  const { messages } = talks;
  const one = await take('messages.create', () => messages.create(talk.id, question('One')[0]));
  await take('messages.list', () => messages.list(talk.id));
  await take('messages.retrieve', () => messages.retrieve(talk.id, one.id));
  await take('messages.update', () => messages.update(talk.id, one.id, { content: 'Two' }));
  await take('messages.delete', () => messages.delete(talk.id, one.id));
  await take('conversations.clear', () => talks.clear(talk.id));
}

async function chats() {
  const { chat } = client;
  const asked = { bot_id, user_id, additional_messages: question('How much is 2 plus 3?') };
  await take('chat.poll', () => chat.createAndPoll({ ...asked }));
  await take('chat.stream', () => all(chat.stream({ ...asked })));
  const broken = question('Be broken.');
  await take('chat.failed', () => chat.createAndPoll({ ...asked, additional_messages: broken }));
  const story = question('Tell me a long story.');
  const created = await take('chat.create', () =>
    chat.create({ ...asked, additional_messages: story }),
  );
  await take('chat.cancel', () => chat.cancel(created.conversation_id, created.id));
  await take('chat.retrieve', () => chat.retrieve(created.conversation_id, created.id));

  const volume = { ...asked, additional_messages: question('Set the volume, please.') };
  const stream = await take('tools.stream', () => all(chat.stream(volume)));
  const waiting = stream.at(-2)[1];
  const calls = waiting.required_action.submit_tool_outputs.tool_calls;
  await take('tools.done', () =>
    all(
      chat.submitToolOutputs({
        conversation_id: waiting.conversation_id,
        chat_id: waiting.id,
        stream: true,
        tool_outputs: calls.map((call) => ({ tool_call_id: call.id, output: '{}' })),
      }),
    ),
  );
}

async function files() {
  const kept = await take('files.upload', () =>
    client.files.upload({ file: createReadStream(wav) }),
  );
  await take('files.retrieve', () => client.files.retrieve(kept.id));
  // The SDK makes JSON of the items itself.
  const content = [
    { type: 'text', text: 'What is in this?' },
    { type: 'file', file_id: kept.id },
  ];
  const additional_messages = [{ role: 'user', content_type: 'object_string', content }];
  await take('files.chat', () =>
    client.chat.createAndPoll({ bot_id, user_id, additional_messages }),
  );
}

async function variables() {
  const known = { bot_id, connector_uid: 'guest-js' };
  await take('variables.update', () =>
    client.variables.update({ ...known, data: [{ keyword: 'room', value: 'lobby' }] }),
  );
  await take('variables.retrieve', () =>
    client.variables.retrieve({ ...known, keywords: 'room' }),
  );
}

async function audio() {
  const { voices, speech, transcriptions } = client.audio;
  const found = await take('voices.list', () => voices.list({ page_num: 1, page_size: 3 }));
  const voice_id = found.voice_list[0].voice_id;
  await take('voices.clone', () =>
    voices.clone({
      voice_name: 'My own voice',
      audio_format: 'wav',
      file: createReadStream(wav),
    }),
  );
  await take('speech', async () => {
    const sound = await speech.create({ input: 'Good morning.', voice_id, response_format: 'wav' });
    const bytes = Buffer.from(sound);
    return { size: bytes.length, begins: bytes.subarray(0, 4).toString() };
  });
  await take('transcriptions', () => transcriptions.create({ file: createReadStream(wav) }));
}

async function voiceprints() {
  const groups = client.audio.voiceprintGroups;
  const group = await take('voiceprints.create', () => groups.create({ name: 'Family' }));
  await take('voiceprints.update', () => groups.update(group.id, { name: 'Home' }));
  const sound = { sample_rate: 16000, channel: 1 };
  const one = await take('features.create', () =>
    groups.features.create(group.id, { name: 'Me', file: createReadStream(wav), ...sound }),
  );
  await take('features.update', () => groups.features.update(group.id, one.id, { name: 'I' }));
  await take('features.list', () => groups.features.list(group.id));
  await take('voiceprints.identify', () =>
    groups.features.speakerIdentify(group.id, { file: createReadStream(wav), top_k: 1 }),
  );
  await take('voiceprints.list', () => groups.list());
  await take('features.delete', () => groups.features.delete(group.id, one.id));
  await take('voiceprints.delete', () => groups.delete(group.id));
}

// No SDK for Python or JavaScript has these calls, but the client itself knows the envelope.
async function commerce() {
  const path = '/v1/commerce/benefit';
  const now = Math.floor(Date.now() / 1000);
  const entity = { entity_type: 'single_device', entity_id: 'KSK-1' };
  const benefit_type = 'voice_unified_duration_system';
  const made = await take('limitations.create', () =>
    client.post(`${path}/limitations`, {
      ...entity,
      benefit_info: {
        benefit_type,
        limit: 1800,
        active_mode: 'absolute_time',
        started_at: now,
        ended_at: 253402300799,
        trigger_unit: 'day',
        trigger_time: 1,
      },
    }),
  );
  const id = made.data.benefit_info.benefit_id;
  await take('limitations.update', () => client.put(`${path}/limitations/${id}`, { limit: 900 }));
  await take('limitations.list', () =>
    client.get(`${path}/limitations`, { ...entity, benefit_type }),
  );
  await take('limitations.wrong', () =>
    client.post(`${path}/limitations`, { ...entity, benefit_info: { benefit_type, limit: -1 } }),
  );
  await take('benefits.get', () =>
    client.get(`${path}/benefits/get`, {
      benefit_type_list: 'api_run_qps,call_tool_limit',
      resource_id: 'chat',
    }),
  );
  const day = 86400;
  const task = await take('bill_tasks.create', () =>
    client.post(`${path}/bill_tasks`, { started_at: now - 2 * day, ended_at: now - day }),
  );
  await take('bill_tasks.list', () =>
    client.get(`${path}/bill_tasks`, { task_ids: task.data.task_id }),
  );
  const space = (await client.workspaces.list()).workspaces[0].id;
  const connector = '/v1/connectors/1700000000000000001';
  await take('connectors.install', () =>
    client.post(`${connector}/install`, { workspace_id: space }),
  );
  await take('connectors.bind', () =>
    client.post(`${connector}/user_configs`, {
      configs: [{ key: 'device_id', enums: [{ label: 'Lobby', value: 'KSK-1' }] }],
    }),
  );
}

const rooms = {
  people,
  bots,
  conversations,
  chats,
  files,
  variables,
  audio,
  voiceprints,
  commerce,
};
for (const [name, visit] of Object.entries(rooms)) await take(`room ${name}`, visit);
steps.write();
