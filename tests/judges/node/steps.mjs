// What a client of the judges saw, step by step, as JSON on stdout.

export class Steps {
  constructor() {
    this.seen = {};
  }

  // What the call gave; undefined if it threw, which is kept as well.
  async take(step, call) {
    try {
      const found = await call();
      this.seen[step] = { gave: found ?? null };
      return found;
    } catch (error) {
      this.seen[step] = { raised: told(error) };
      return undefined;
    }
  }

  write() {
    process.stdout.write(JSON.stringify(this.seen));
  }
}

export function told(error) {
  return {
    type: error?.constructor?.name ?? typeof error,
    text: String(error?.message ?? error),
    code: error?.code ?? null,
    msg: error?.msg ?? '',
    status: error?.status ?? null,
    logid: error?.logid ?? null,
    raw: error?.rawError ?? null,
  };
}
