// A path's picture. Who signed in fetches it with the token, which no <img> sends and no URL may have.

/** Where an <img> finds the picture at `url`; "" where there is none. `headers`: of who signed in. */
export async function findPicture(url, headers, request = fetch) {
  if (!Object.keys(headers).length) return url;
  try {
    const response = await request(url, { headers, cache: "no-store" });
    return response.ok ? URL.createObjectURL(await response.blob()) : "";
  } catch {
    return "";
  }
}

/** Forgets a picture that is not shown any more. */
export function forgetPicture(source) {
  if (source.startsWith("blob:")) URL.revokeObjectURL(source);
}
