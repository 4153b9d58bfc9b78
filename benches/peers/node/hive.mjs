// Hive Gateway: identical fetches in flight are not shared.

export const gatewayConfig = {
  logging: "warn",
  graphiql: false,
  transportEntries: { "*": { options: { deduplicateInflightRequests: false } } },
};
