// BullMQ on Redis: one Node process, eight jobs at a time. Without an argument it takes the bench's orders in the words
// of serving.py; with "worker" it works.
//
// Fast: done jobs are removed. Durable: they are kept, and a lock that is not renewed for 10 s frees its job.

import { openSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";

import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";

const QUEUE = "peers";
const PRIORITIES = { urgent: 1, normal: undefined, low: 10 };
const durable = process.env.PEERS_SETTINGS === "durable";
const connection = () => new Redis(process.env.PEERS_REDIS, { maxRetriesPerRequest: null });

const witness = openSync(process.env.PEERS_WITNESS, "a", 0o600);
const note = (mark, name) => writeSync(witness, `${mark} ${name} ${process.hrtime.bigint()}\n`);

const WORK = {
  noop: async (name) => note("e", name),
  stamp: async (name) => note("b", name),
  brief: async (name) => {
    note("b", name);
    await pause(5);
  },
  nap: async (name) => {
    note("b", name);
    await pause(20);
    note("e", name);
  },
};

function work() {
  new Worker(QUEUE, (job) => WORK[job.name](job.data.name), {
    connection: connection(),
    concurrency: Number(process.env.PEERS_SLOTS),
    ...(durable ? { lockDuration: 10_000, stalledInterval: 5_000, maxStalledCount: 3 } : {}),
  });
}

const options = (level) => ({ priority: PRIORITIES[level], removeOnComplete: !durable });

async function obeyed(queue, order) {
  switch (order.do) {
    case "hello":
      await queue.waitUntilReady();
      return { cannot: { startup: "has no command" }, command: null, workers: [[process.execPath, process.argv[1], "worker"]] };
    case "each":
    case "many": {
      const names = Array.from({ length: order.count }, (_, number) => `${order.prefix}-${number}`);
      const start = process.hrtime.bigint();
      if (order.do === "many") {
        await queue.addBulk(names.map((name) => ({ name: order.work, data: { name }, opts: options(order.level) })));
      } else {
        for (const name of names) await queue.add(order.work, { name }, options(order.level));
      }
      return { seconds: Number(process.hrtime.bigint() - start) / 1e9 };
    }
    case "apart": {
      const sent = {};
      for (let number = 0; number < order.count; number++) {
        await pause(order.pause * 1000 * (0.75 + Math.random() / 2));
        const name = `${order.prefix}-${number}`;
        sent[name] = Number(process.hrtime.bigint());
        await queue.add(order.work, { name }, options(order.level));
      }
      return { sent };
    }
    default:
      throw new Error(`no such order: ${order.do}`);
  }
}

async function serve() {
  const queue = new Queue(QUEUE, { connection: connection() });
  for await (const line of createInterface({ input: process.stdin })) {
    let answer;
    try {
      answer = { ok: true, ...(await obeyed(queue, JSON.parse(line))) };
    } catch (error) {
      answer = { ok: false, error: String(error) };
    }
    writeSync(1, JSON.stringify(answer) + "\n");
  }
  process.exit(0);
}

if (process.argv[2] === "worker") work();
else await serve();
