// SPDX-License-Identifier: MIT
// Asks for tokens with npm's ms-rest-azure, until stdin ends: ms_rest_azure_loop.js RESOURCE RATE
// One line for each request: "ok WHO SECONDS BEGAN" or "failed REASON SECONDS BEGAN".
'use strict';

const http = require('http');
const {MSIVmTokenCredentials} = require('ms-rest-azure');

// In the Node of its time each request had a connection of its own.
http.globalAgent = new http.Agent({keepAlive: false});

const PATIENCE_SECONDS = 10; // which the library does not have

// Who made the token, by its claims.
function answeredBy(token) {
  const claims = JSON.parse(Buffer.from(token.split('.')[1], 'base64').toString());
  return claims.answered_by || 'msi2imds';
}

function seconds(milliseconds) {
  return (milliseconds / 1000).toFixed(6);
}

// The library's error may have the body of the reply in its text.
function reasonOf(error) {
  return (error.code || String(error.message).split('Response body')[0]).replace(/\s+/g, ' ').trim();
}

function outcomeOf(error, token) {
  if (error) {
    return `failed ${reasonOf(error)}`;
  }
  try {
    return `ok ${answeredBy(token.accessToken)}`;
  } catch {
    return 'failed the reply is no token';
  }
}

const [resource, rate] = process.argv.slice(2);
let underWay = 0;
let ended = false;

function endIfIdle() {
  if (ended && underWay === 0) {
    process.exit(0);
  }
}

function tell(outcome, request) {
  if (!request.isTold) {
    request.isTold = true;
    clearTimeout(request.patience);
    console.log(`${outcome} ${seconds(performance.now() - request.start)} ${seconds(request.began)}`);
    --underWay;
    endIfIdle();
  }
}

function ask() {
  const request = {began: Date.now(), start: performance.now(), isTold: false};
  request.patience = setTimeout(() => tell(`failed no reply within ${PATIENCE_SECONDS} s`, request), PATIENCE_SECONDS * 1000);
  ++underWay;
  new MSIVmTokenCredentials({resource}).getToken((error, token) => tell(outcomeOf(error, token), request));
}

const interval = 1000 / rate;
let due = performance.now();
let timer;

function askWhenDue() {
  ask();
  due = Math.max(due, performance.now() - interval) + interval;
  timer = setTimeout(askWhenDue, due - performance.now());
}

askWhenDue();

process.stdin.on('end', () => {
  ended = true;
  clearTimeout(timer);
  endIfIdle();
});
process.stdin.resume();
