// The three sockets through the official JavaScript SDK.
//
//     node sockets.mjs BASE_URL WAV
//
// The WAV is 16 kHz mono. Every scenario has a connection of its own; they run side by side.

import { readFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import { CozeAPI } from '@coze/api';
import DecoderLib from 'opus-encdec/dist/libopus-decoder.js';
import EncoderLib from 'opus-encdec/dist/libopus-encoder.js';
import { OggOpusDecoder } from 'opus-encdec/src/oggOpusDecoder.js';
import { OggOpusEncoder } from 'opus-encdec/src/oggOpusEncoder.js';

import { Steps } from './steps.mjs';

const [base, wav] = process.argv.slice(2);
const BOT = '7400000000000000001';
const END = 'conversation.chat.completed';
const file = readFileSync(wav);
const speech = file.subarray(44);
const PCM = { format: 'pcm', codec: 'pcm', sample_rate: 16000, channel: 1, bit_depth: 16 };

function api(token = 'pat_made_up_for_tests') {
  return new CozeAPI({ token, baseURL: base, baseWsURL: base.replace('https://', 'wss://') });
}

// One connection: keeps what the SDK hands over, sound as its length in bytes.
class Line {
  constructor(ws) {
    this.ws = ws;
    this.frames = [];
    this.sound = [];
    this.waiting = [];
    ws.onmessage = (frame) => this.note(frame);
    ws.onerror = (frame) => this.note({ ...frame, local: true });
  }

  note(frame) {
    const kept = { type: frame.event_type, id: frame.id, logid: frame.detail?.logid };
    if (frame.local) kept.local = true;
    if (frame.data) kept.data = { ...frame.data };
    const name = { 'conversation.audio.delta': 'content', 'speech.audio.update': 'delta' }[
      frame.event_type
    ];
    if (name) {
      const sound = Buffer.from(frame.data[name], 'base64');
      this.sound.push(sound);
      kept.data[name] = sound.length;
    }
    if (frame.detail?.origin_message) kept.origin = frame.detail.origin_message;
    this.frames.push(kept);
    for (const wake of this.waiting.splice(0)) wake();
  }

  async first(type) {
    for (;;) {
      const found = this.frames.find((frame) => frame.type === type);
      if (found) return found;
      await new Promise((wake) => this.waiting.push(wake));
    }
  }

  send(event_type, data) {
    this.ws.send({ id: randomUUID(), event_type, ...(data ? { data } : {}) });
  }

  append(bytes) {
    for (let at = 0; at < bytes.length; at += 3200) {
      this.send('input_audio_buffer.append', {
        delta: bytes.subarray(at, at + 3200).toString('base64'),
      });
    }
  }
}

// Connect, wait for the greeting as the SDK's own chat client does, act, and wait for the end.
async function on(open, greeting, act, end) {
  const line = new Line(await open(api()));
  await line.first(greeting);
  await act(line);
  await line.first(end);
  line.ws.close();
  return line;
}

async function chat(act, end = END, request = {}) {
  const open = (client) => client.websockets.chat.create({ bot_id: BOT, ...request });
  const line = await on(open, 'chat.created', act, end);
  return line.frames;
}

async function ask(line, content) {
  line.send('conversation.message.create', { role: 'user', content_type: 'text', content });
}

// 16 kHz mono PCM as bare packets of 20 ms, with the settings of the SDK's recorder.
async function encoded(pcm) {
  const options = {
    encoderApplication: 2049,
    encoderFrameSize: 20,
    encoderSampleRate: 16000,
    numberOfChannels: 1,
    rawOpus: true,
    originalSampleRate: 16000,
  };
  const encoder = new OggOpusEncoder(options, EncoderLib);
  while (encoder.isReady === false) await sleep(5);
  const whole = new Int16Array(pcm.buffer.slice(pcm.byteOffset, pcm.byteOffset + pcm.length));
  encoder.encode([Float32Array.from(whole, (sample) => sample / 0x8000)]);
  return encoder.encodedData;
}

const scenarios = {
  text: () => chat((line) => ask(line, 'How much is 2 plus 3?'), END, { device_id: '4711' }),

  // What the SDK's chat client sends first, before a button is pressed.
  spoken: () =>
    chat(async (line) => {
      line.send('chat.update', {
        input_audio: PCM,
        output_audio: { codec: 'pcm', pcm_config: { sample_rate: 24000 } },
        turn_detection: { type: 'client_interrupt' },
        need_play_prologue: false,
      });
      await line.first('chat.updated');
      line.send('conversation.chat.cancel');
      line.append(speech);
      line.send('input_audio_buffer.complete');
    }),

  // Encoded by what the SDK's recorder encodes with: one bare packet in every append.
  spoken_opus: async () => {
    const packets = await encoded(speech);
    const frames = await chat(async (line) => {
      line.send('chat.update', {
        input_audio: { format: 'pcm', codec: 'opus', sample_rate: 16000 },
        turn_detection: { type: 'client_interrupt' },
      });
      await line.first('chat.updated');
      for (const packet of packets) {
        const delta = Buffer.from(packet).toString('base64');
        line.send('input_audio_buffer.append', { delta });
      }
      line.send('input_audio_buffer.complete');
    });
    return { frames, packets: packets.length };
  },

  free_talk: () =>
    chat(async (line) => {
      line.send('chat.update', {
        input_audio: PCM,
        turn_detection: { type: 'server_vad', silence_duration_ms: 300 },
      });
      line.append(Buffer.concat([speech, Buffer.alloc(32000)]));
    }),

  // Decoded by what the SDK decodes with: every delta is one bare packet.
  opus: async () => {
    const line = await on(
      (client) => client.websockets.chat.create({ bot_id: BOT }),
      'chat.created',
      async (line) => {
        line.send('chat.update', {
          output_audio: { codec: 'opus', opus_config: { sample_rate: 24000, frame_size_ms: 60 } },
        });
        await ask(line, 'How much is 2 plus 3?');
      },
      END,
    );
    const options = {
      rawOpus: true,
      numberOfChannels: 1,
      decoderSampleRate: 24000,
      outputBufferSampleRate: 24000,
    };
    const decoder = new OggOpusDecoder(options, DecoderLib);
    while (decoder.isReady === false) await sleep(5);
    const samples = [];
    for (const packet of line.sound) {
      let found = 0;
      decoder.decodeRaw(new Uint8Array(packet), (pcm) => (found = pcm.length));
      samples.push(found);
    }
    return { frames: line.frames, samples };
  },

  // Paced, or the story would be over before it can be cancelled.
  cancel: () =>
    chat(async (line) => {
      const limit_config = { period: 1, max_frame_num: 20 };
      line.send('chat.update', {
        output_audio: { codec: 'pcm', pcm_config: { frame_size_ms: 60, limit_config } },
      });
      await ask(line, 'Tell me a long story.');
      await line.first('conversation.audio.delta');
      line.send('conversation.chat.cancel');
    }, 'conversation.chat.canceled'),

  say: () =>
    chat(
      (line) => line.send('input_text.generate_audio', { mode: 'text', text: 'Still there?' }),
      'conversation.audio.completed',
    ),

  tools: () =>
    chat(async (line) => {
      await ask(line, 'Set the volume, please.');
      const asked = (await line.first('conversation.chat.requires_action')).data;
      const calls = asked.required_action.submit_tool_outputs.tool_calls;
      line.send('conversation.chat.submit_tool_outputs', {
        chat_id: asked.id,
        tool_outputs: calls.map((call) => ({ tool_call_id: call.id, output: '{"ok":true}' })),
      });
    }),

  refused: () =>
    chat((line) => line.send('chat.update', { input_audio: { codec: 'opus2' } }), 'error'),

  stranger: async () => {
    const line = new Line(await api('bad_token').websockets.chat.create({ bot_id: BOT }));
    await line.first('error');
    line.ws.close();
    return line.frames;
  },

  speech: async () => {
    const line = await on(
      (client) => client.websockets.audio.speech.create({ entity_type: 'bot', entity_id: BOT }),
      'speech.created',
      async (line) => {
        line.send('speech.update', {
          output_audio: { codec: 'pcm', pcm_config: { sample_rate: 16000, frame_size_ms: 60 } },
        });
        await line.first('speech.updated');
        line.send('input_text_buffer.append', { delta: 'The update is running. Please wait.' });
        line.send('input_text_buffer.complete');
      },
      'speech.audio.completed',
    );
    return line.frames;
  },

  transcription: async () => {
    const line = await on(
      (client) => client.websockets.audio.transcriptions.create(),
      'transcriptions.created',
      async (line) => {
        line.send('transcriptions.update', { input_audio: PCM });
        await line.first('transcriptions.updated');
        line.append(speech);
        line.send('input_audio_buffer.complete');
      },
      'transcriptions.message.completed',
    );
    return line.frames;
  },
};

const steps = new Steps();
const late = (name) =>
  sleep(30_000, undefined, { ref: false }).then(() => {
    throw new Error(`${name} did not end`);
  });
await Promise.all(
  Object.entries(scenarios).map(([name, run]) =>
    steps.take(name, () => Promise.race([run(), late(name)])),
  ),
);
steps.write();
