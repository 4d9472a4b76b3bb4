/**
 * Two flows of a stand-up bot: one posts everybody's update, the other reminds those who have not given one. The second
 * one shows mapping, skipping and reference tasks: its report runs whatever came before, and does not decide how the
 * run ended.
 *
 *   node examples/standup.ts
 */

import { flow, getRunLogger, referenceTasks, skip, task, unmapped } from 'callboard'

const STORE = process.env.STANDUP_URL ?? 'http://127.0.0.1:8080'

type Updates = Readonly<Record<string, string>>

async function ask<T>(path: string, body?: unknown): Promise<T> {
  const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }
  const response = await fetch(`${STORE}${path}`, init)
  if (!response.ok) throw new Error(`${path} answered ${response.status}.`)
  return (await response.json()) as T
}

const getTeam = task({ retries: 2 }, function getTeam() {
  return ask<string[]>('/team')
})

const getLatestUpdates = task({ retries: 2 }, function getLatestUpdates() {
  return ask<Updates>('/updates')
})

const postStandup = task(function postStandup(updates: Updates, channel: string) {
  const text = Object.entries(updates).map(([user, update]) => `${user}: ${update}`)
  return ask<string>('/post', { channel, text: text.join('\n') })
})

const isReminderNeeded = task(function isReminderNeeded(user: string, updates: Updates) {
  if (user in updates) skip(`${user} has given an update`, user)
  return user
})

const sendReminder = task(function sendReminder(user: string) {
  return ask<string>('/post', {
    channel: `@${user}`,
    text: 'The standup is in 30 minutes. What are you up to?',
  })
})

const report = task(
  { skipOnUpstreamSkip: false, trigger: 'allFinished' },
  async function report(reminded: unknown[]) {
    getRunLogger().info(
      `Reminded ${reminded.filter((one) => one !== undefined).length} of ${reminded.length}`,
    )
  },
)

export const standup = flow(async function standup({ channel = '#standup' }: { channel?: string } = {}) {
  return postStandup(await getLatestUpdates(), channel)
})

export const standupReminder = flow(async function standupReminder() {
  const updates = getLatestUpdates.submit()
  const team = await getTeam()
  const needed = isReminderNeeded.map(team, unmapped(updates))
  const reminders = sendReminder.map(needed)
  referenceTasks(reminders)
  await report(reminders)
})

if (import.meta.main) {
  await standupReminder()
  await standup()
}
