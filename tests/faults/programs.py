"""Lines that make a miniature's program do something wrong, or call AWS."""

FAILS = "if path in OPERATIONS: status = 500"
LOOP = """
if path == '/tiny/1':
    self.send_response(302)
    self.send_header('Location', path)
    self.send_header('Content-Length', '0')
    self.end_headers()
    return
"""
HALF = """
if path == '/tiny/1':
    self.send_response(200)
    self.send_header('Content-Length', '100')
    self.end_headers()
    self.wfile.write(b'x')
    self.wfile.flush()
    self.connection.shutdown(2)
    self.close_connection = True
    return
"""
CUT = """
if self.command == 'POST' and count[0] % 4 == 0:
    self.connection.shutdown(2)
    self.close_connection = True
    return
"""
SPIN = "threading.Thread(target=lambda: [None for _ in iter(int, 1)], daemon=True).start()"
WORK = "end = time.process_time() + 0.06\nwhile time.process_time() < end: pass"

# Signs as a client of AWS does; nobody looks at the signature.
CALL = """
import urllib.error, urllib.request
def call(action):
    key = os.environ["AWS_ACCESS_KEY_ID"]
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"AmazonSQS.{action}",
               "Authorization": f"AWS4-HMAC-SHA256 Credential={key}/20260101/us-east-1/sqs/aws4_request"}
    body = json.dumps({"QueueUrl": "https://sqs.us-east-1.amazonaws.com/333333333333/mails"}).encode()
    try:
        urllib.request.urlopen(urllib.request.Request(os.environ["AWS_ENDPOINT_URL"], body, headers))
    except urllib.error.HTTPError as error:
        return error.code
"""
