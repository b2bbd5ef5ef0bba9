// Judges requests as a receiver in JavaScript would.
//
// node verify.cjs < CASES
//
// A case is a line of JSON: headers, body (base64) and the secret to check with. The answer to each is a line of JSON: whether
// the Standard Webhooks library accepts it. The library is found through NODE_PATH.
'use strict';

const readline = require('node:readline');
const { Webhook, WebhookVerificationError } = require('standardwebhooks');

function standard(headers, body, secret) {
  try {
    new Webhook(secret).verify(body, headers);
  } catch (error) {
    if (error instanceof WebhookVerificationError) return false;
    throw error;
  }
  return true;
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    const { headers, body, secret } = JSON.parse(line);
    console.log(JSON.stringify({ standard: standard(headers, Buffer.from(body, 'base64'), secret) }));
  }
}

main();
