"""Packaging: ranges live here, exact versions in requirements.lock."""

from setuptools import find_packages, setup

RUNTIME = [
    "dagster>=1.13.27,<1.14",
    "dagster-webserver>=1.13.27,<1.14",
    "dagster-aws>=0.29.27,<0.30",
    "pandas>=2.3,<3",  # statsforecast, mlforecast and fugue do not take pandas 3 yet
    "pyarrow>=26,<27",
    "numpy>=2.4,<3",
    "duckdb>=2.0,<2.1",
    "sqlglot>=30.30,<31",
    "pyiceberg[glue,pyiceberg-core,pyarrow,sql-sqlite]>=0.12,<0.13",
    "boto3>=1.44,<2",
    "pydantic>=2.14,<3",
    "pyyaml>=6,<7",
    "httpx>=0.28,<0.29",
    "starlette>=1.10,<2",
    "uvicorn>=0.30",
    "asyncssh>=2.24,<3",
    "statsforecast>=2.1,<3",
    "mlforecast>=1.1,<2",
    "lightgbm>=4.7,<5",
    "matplotlib>=3.9,<4",
    "confluent-kafka>=2.16,<3",
    "aws-msk-iam-sasl-signer-python>=1.0.2,<2",  # tokens for MSK's IAM authentication
    "aws-kinesis-agg>=1.2.3,<2",  # takes apart records that the Kinesis Producer Library aggregated
]
DEV = [
    "setuptools>=77",  # builds the editable install without fetching anything unpinned
    "pytest>=9,<10",
    "pytest-timeout",
    "pytest-xdist",  # two processes halve the time of make test
    "hypothesis>=6.150",
    "ruff",
    "mypy",
    "types-PyYAML",
    "pandas-stubs<3",
    "boto3-stubs[appflow,dataexchange,datasync,dms,events,firehose,glue,iam,iot,iot-data,kafka,kinesis,lambda,s3,secretsmanager,sns,sqs,sts]",
    "moto[server,s3,glue,sns,sqs,iam,events,dms,iotdata,secretsmanager,datasync]>=5.2,<6",
    "amqtt>=0.11,<1",  # MQTT broker and client of the offline twin
    "psycopg[binary]>=3.3,<4",  # the database that the offline twin's DMS reads
    "playwright",
    "pyspark>=4.3,<4.4",
    "schemathesis>=4.32,<5",
]

setup(
    name="o9_assets",
    version="0.1.0",
    description="Dagster data assets between a consumer-goods company's AWS lake and o9",
    packages=find_packages(include=["o9_assets", "o9_assets.*"]),
    package_data={"o9_assets": ["**/*.sql", "**/*.yaml", "**/*.html", "py.typed"]},
    python_requires=">=3.11",
    install_requires=RUNTIME,
    extras_require={"dev": DEV},
)
