/** What a test with real parts is told of the machine. */

/** The value of an environment variable that the caller has to set. */
export function required(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === "") throw new Error(`${name} is not set: these tests are run by pytest tests/client`);
  return value;
}
