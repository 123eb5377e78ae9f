"""IoT Core's parts: the broker that devices speak MQTT to, and the rules that route what they say."""
