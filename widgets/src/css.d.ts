declare module "*.css" {
  const text: string;
  export default text;
}

/** A bundle of that module, as a text. */
declare module "*?code" {
  const text: string;
  export default text;
}
