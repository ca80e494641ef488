// A typed call of each route: that it compiles is the test (`check`). Lines after @ts-expect-error
// must not compile: a contract that generators read as "anything goes" fails here.
import type { components, paths } from "aigen-api";

type Schemas = components["schemas"];
type Body<Path extends keyof paths> = paths[Path] extends {
  post: { requestBody?: { content: { "application/json": infer Json } } | undefined };
}
  ? Json
  : never;
const goal = {
  goalId: "0193e4a0-0000-7000-8000-000000000001",
  title: "TypeScriptのエキスパートになる",
  description: "半年で実務に使えるようにする",
  deadline: "2099-12-31T00:00:00Z",
  background: "バックエンドの経験が3年",
};
export const requests: Body<"/api/ai/async/generate">[] = [
  { type: "SUBGOAL_GENERATION", params: { ...goal, constraints: null } },
  { type: "ACTION_GENERATION", params: { subGoalId: goal.goalId } },
  { type: "ACTION_GENERATION", params: { goalId: goal.goalId, replace: true } },
  { type: "TASK_GENERATION", params: { actionId: goal.goalId } },
  { type: "CHART_GENERATION", params: { ...goal, depth: "tasks" }, priority: "low" },
];

// @ts-expect-error: a goal has more than an id
export const withoutGoal: Schemas["GenerateRequest"] = { type: "SUBGOAL_GENERATION", params: { goalId: goal.goalId } };
// @ts-expect-error: tasks are not for a sub-goal
export const withAnothersField: Schemas["GenerateRequest"] = { type: "TASK_GENERATION", params: { subGoalId: goal.goalId } };
// @ts-expect-error: there is no such type
export const ofNoType: Schemas["GenerateRequest"] = { type: "POEM_GENERATION", params: goal };

type Generated = paths["/api/ai/async/generate"]["post"]["responses"];
type Accepted = Generated[202]["content"]["application/json"];
type Refused = Generated[400]["content"]["application/json"];

export function processId(answer: Accepted | Refused): string {
  if (answer.success) {
    return answer.data.processId;
  }
  const { code, details } = answer.error;
  throw new Error(`${code}: ${(details ?? []).map((detail) => detail.field).join(", ")}`);
}

export function titles(status: Schemas["ProcessAnswer"]): string[] {
  return (status.data.result?.subGoals ?? []).map((subGoal) => `${subGoal.position}: ${subGoal.title}`);
}

export function next(history: Schemas["HistoryAnswer"]): string | undefined {
  const total: number = history.data.pagination.totalCount;
  return total > history.data.processes.length ? history.data.pagination.nextCursor : undefined;
}

export const cancel: Body<"/api/ai/async/cancel/{processId}"> = { reason: "条件を変えてやり直したい" };
export const stopped = (answer: Schemas["CancelledAnswer"]): boolean =>
  answer.data.status === "CANCELLED" && answer.data.executionStopped;

export const ahead = (status: Schemas["ProcessAnswer"]): number => status.data.waiting?.ahead ?? 0;

export const batch: Body<"/api/ai/async/batch"> = { requests, dryRun: false };
// @ts-expect-error: a request of a batch has a type
export const ofNothing: Body<"/api/ai/async/batch"> = { requests: [{ params: goal }] };
type Judged = paths["/api/ai/async/batch"]["post"]["responses"][202]["content"]["application/json"];
export const refused = (answer: Judged): string[] =>
  answer.data.results.flatMap(({ index, error }) => (error ? [`${index}: ${error.code}`] : []));
export const left = (answer: Schemas["BatchAnswer"]): number =>
  answer.data.counts.PENDING + answer.data.counts.PROCESSING;
export const cancelAll: Body<"/api/ai/async/batch/{batchId}/cancel"> = { reason: null };
