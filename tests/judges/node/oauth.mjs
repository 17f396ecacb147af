// The OAuth flows through the official JavaScript SDK.
//
//     node oauth.mjs BASE_URL
//
// Where a person has to decide, the client sends the form of the page as a browser would.

import { setTimeout as sleep } from 'node:timers/promises';

import {
  CozeAPI,
  getDeviceCode,
  getDeviceToken,
  getJWTToken,
  getPKCEAuthenticationUrl,
  getPKCEOAuthToken,
  getWebAuthenticationUrl,
  getWebOAuthToken,
  refreshOAuthToken,
} from '@coze/api';

import { Steps } from './steps.mjs';

const [baseURL] = process.argv.slice(2);
const redirectUrl = 'http://127.0.0.1:1/callback';
const steps = new Steps();
const me = (token) => new CozeAPI({ token, baseURL }).users.me();

async function decide(page, decision) {
  const address = new URL(page);
  const shown = await fetch(address);
  if (!shown.ok) throw new Error(await shown.text());
  return fetch(address.origin + address.pathname, {
    method: 'POST',
    redirect: 'manual',
    body: new URLSearchParams([...address.searchParams, ['decision', decision]]),
  });
}

async function login(page) {
  const answer = await decide(page, 'allow');
  return Object.fromEntries(new URL(answer.headers.get('location')).searchParams);
}

const link = (code) => `${code.verification_uri}?user_code=${code.user_code}`;

// The SDK asks again every 5 s, whatever interval it was told.
async function polling() {
  const clientId = 'demo-device';
  const code = await steps.take('device.code', () => getDeviceCode({ baseURL, clientId }));
  sleep(1000).then(() => decide(link(code), 'allow'));
  const deviceCode = code.device_code;
  const token = await steps.take('device.polled', () =>
    getDeviceToken({ baseURL, clientId, deviceCode, poll: true }),
  );
  await steps.take('device.me', () => me(token.access_token));
  const refreshToken = token.refresh_token;
  await steps.take('refresh', () => refreshOAuthToken({ baseURL, clientId, refreshToken }));
  await steps.take('refresh.again', () => refreshOAuthToken({ baseURL, clientId, refreshToken }));
}

async function answers() {
  const clientId = 'demo-device';
  const code = await getDeviceCode({ baseURL, clientId, workspaceId: '7300000000000001' });
  const poll = () => getDeviceToken({ baseURL, clientId, deviceCode: code.device_code });
  await steps.take('poll.pending', poll);
  await steps.take('poll.fast', poll);
  await decide(link(code), 'deny');
  await steps.take('poll.denied', poll);
  await steps.take('client.unknown', () => getDeviceCode({ baseURL, clientId: 'nobody' }));
}

async function fleet() {
  const config = await (await fetch(`${baseURL}/emulator/demo-jwt.json`)).json();
  const signed = {
    baseURL,
    appId: config.client_id,
    aud: new URL(baseURL).host,
    keyid: config.public_key_id,
    privateKey: config.private_key,
  };
  const scope = {
    account_permission: { permission_list: ['Connector.botChat'] },
    attribute_constraint: {
      connector_bot_chat_attribute: { bot_id_list: ['7400000000000000001'] },
    },
  };
  const token = await steps.take('jwt', () => getJWTToken({ ...signed, sessionName: 'guest-1' }));
  await steps.take('jwt.me', () => me(token.access_token));
  const bound = await steps.take('jwt.scoped', () => getJWTToken({ ...signed, scope }));
  const chat = new CozeAPI({ token: bound.access_token, baseURL }).chat;
  const additional_messages = [{ role: 'user', content: 'Hello', content_type: 'text' }];
  await steps.take('jwt.scoped.chat', () =>
    chat.createAndPoll({ bot_id: '7400000000000000001', additional_messages }),
  );
  await steps.take('jwt.scoped.other', () =>
    chat.create({ bot_id: '7400000000000000009', additional_messages }),
  );
  await steps.take('jwt.account', () => getJWTToken({ ...signed, accountId: 'another' }));
  await steps.take('jwt.forged', () => getJWTToken({ ...signed, keyid: 'another-kid' }));
  await steps.take('jwt.elsewhere', () => getJWTToken({ ...signed, aud: 'api.example.com' }));
}

async function logins() {
  const clientId = 'demo-pkce';
  const { url, codeVerifier } = await getPKCEAuthenticationUrl({
    baseURL,
    clientId,
    redirectUrl,
    state: 'a state',
  });
  const back = await steps.take('pkce.back', () => login(url));
  const pkce = { baseURL, clientId, redirectUrl, code: back.code, codeVerifier };
  const token = await steps.take('pkce', () => getPKCEOAuthToken(pkce));
  await steps.take('pkce.again', () => getPKCEOAuthToken(pkce));
  await steps.take('pkce.me', () => me(token.access_token));

  const web = { baseURL, clientId: 'demo-web', redirectUrl };
  const { code } = await login(getWebAuthenticationUrl(web));
  const clientSecret = 'demo-web-secret';
  const found = await steps.take('web', () => getWebOAuthToken({ ...web, clientSecret, code }));
  const refreshToken = found.refresh_token;
  await steps.take('web.refresh', () =>
    refreshOAuthToken({ baseURL, clientId: 'demo-web', clientSecret, refreshToken }),
  );
}

const flows = { polling, answers, fleet, logins };
await Promise.all(Object.entries(flows).map(([name, run]) => steps.take(`flow ${name}`, run)));
steps.write();
