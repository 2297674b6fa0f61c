// The official OpenFeature client for JavaScript, driven line by line: {key, type, default, context} in,
// {value, variant, reason, errorCode, metadata, ms} out. The timeout is given as an application should give it.
import { createInterface } from 'node:readline';
import { OpenFeature } from '@openfeature/server-sdk';
import { OFREPProvider } from '@openfeature/ofrep-provider';

const [baseUrl, timeoutMs] = process.argv.slice(2);
const limited = (input, init) => fetch(input, { ...init, signal: AbortSignal.timeout(Number(timeoutMs)) });
await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl, fetchImplementation: limited }));
const client = OpenFeature.getClient();
const details = {
  boolean: (k, d, c) => client.getBooleanDetails(k, d, c),
  string: (k, d, c) => client.getStringDetails(k, d, c),
  integer: (k, d, c) => client.getNumberDetails(k, d, c),
  real: (k, d, c) => client.getNumberDetails(k, d, c),
};

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  const start = performance.now();
  const answer = await details[asked.type](asked.key, asked.default, asked.context);
  const { value, variant, reason, errorCode, flagMetadata } = answer;
  console.log(JSON.stringify({
    value, variant, reason, errorCode: errorCode ?? null, metadata: flagMetadata, ms: performance.now() - start,
  }));
}
